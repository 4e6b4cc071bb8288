import { Command } from 'commander'
import type { ServeOptions } from '../../src/cli/config.ts'
import { databaseOption, serveConfig, serveOptions } from '../../src/cli/config.ts'
import { serve } from '../../src/cli/serve.ts'
import { limits } from '../../src/limits.ts'
import { defaultDelivererSettings } from '../../src/webhooks/deliverer.ts'

/**
 * The server that production starts, with the same arguments, but for its patience with receivers of webhooks, where what takes
 * days takes seconds, and with what it has to finish as it stops.
 */
const clientele = new Command()
const command = clientele.command('serve').option('--json').addOption(databaseOption())
  .option('--receiver-timeout <ms>', 'how long a receiver may take', Number, 500)
  .option('--shutdown-seconds <seconds>', 'how long stopping may take', Number, limits.shutdownSeconds)
for (const option of serveOptions()) command.addOption(option)
command.action(async (options: ServeOptions & { receiverTimeout: number; shutdownSeconds: number }) => {
  await serve(serveConfig(options), {
    json: true,
    shutdownSeconds: options.shutdownSeconds,
    deliveries: {
      ...defaultDelivererSettings,
      schedule: Array.from({ length: 100 }, () => 0.5), timeoutMs: options.receiverTimeout, claimSeconds: 5, claimIntervalMs: 300
    }
  })
})
await clientele.parseAsync()
