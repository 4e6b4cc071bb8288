import { sqlitePath, withoutPassword } from './config.ts'
import { withExistingStore } from './open-store.ts'
import { report } from './output.ts'

export async function backup(options: { database: string; to: string; json?: true }): Promise<void> {
  const { customers, bytes } = await withExistingStore(options.database, (store) => store.backup(options.to))
  report(options, {
    json: { database: withoutPassword(options.database), to: options.to, customers, bytes },
    text: [
      `Wrote ${options.to}: ${customers} customers, ${bytes} bytes. The copy was opened and checked.`,
      ...(sqlitePath(options.database) === undefined ? [`It is an SQLite database, which can be served, or brought back with: npx clientele copy --from sqlite:${options.to}`] : [])
    ].join('\n')
  })
}
