import { Command } from 'commander'
import type { ServeOptions } from '../../src/cli/config.ts'
import { databaseOption, serveConfig, serveOptions } from '../../src/cli/config.ts'
import { serve } from '../../src/cli/serve.ts'
import { defaultDelivererSettings } from '../../src/webhooks/deliverer.ts'

/**
 * The server that production starts, with the same arguments, but for its patience with receivers of webhooks: what takes
 * days takes seconds.
 */
const clientele = new Command()
const command = clientele.command('serve').option('--json').option('--receiver-timeout <ms>', 'how long a receiver may take', Number, 500).addOption(databaseOption())
for (const option of serveOptions()) command.addOption(option)
command.action(async (options: ServeOptions & { receiverTimeout: number }) => {
  await serve(serveConfig(options), {
    json: true,
    deliveries: {
      ...defaultDelivererSettings,
      schedule: Array.from({ length: 100 }, () => 0.5), timeoutMs: options.receiverTimeout, claimSeconds: 5, claimIntervalMs: 300
    }
  })
})
await clientele.parseAsync()
