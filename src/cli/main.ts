import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { closest } from 'fastest-levenshtein'
import { ApiError, OperatorError, UsageError } from '../errors.ts'
import { limits } from '../limits.ts'
import { backup } from './backup.ts'
import type { ServeOptions } from './config.ts'
import { copiedDatabaseOption, databaseOption, environmentFault, parseWholeNumber, serveConfig, serveOptions, withoutPassword } from './config.ts'
import { copy } from './copy.ts'
import { distribute } from './distribute.ts'
import { doctor } from './doctor.ts'
import { createKey, listKeys, revokeKey } from './key.ts'
import { migrate } from './migrate.ts'
import { createOrganization, listOrganizations } from './organization.ts'
import { report } from './output.ts'
import { version } from './version.ts'

const exitFailure = 1
const exitUsage = 2

process.exitCode = await run(process.argv.slice(2))

async function run(args: readonly string[]): Promise<number> {
  try {
    const clientele = program()
    const fault = environmentFault(process.env)
    if (fault !== undefined) clientele.error(`error: ${fault}`)
    await clientele.parseAsync(args, { from: 'user' })
    return 0
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitUsage
    if (!(error instanceof OperatorError) && !(error instanceof ApiError)) throw error
    process.stderr.write(`error: ${error.message}\n`)
    return error instanceof UsageError ? exitUsage : exitFailure
  }
}

function program(): Command {
  const clientele = speakPlainly(new Command('clientele'))
    .description("The self-hosted home of a business's customers.")
    .version(version, '--version')
    .helpCommand(false)
    .exitOverride()

  const command = (parent: Command, name: string, description: string): Command =>
    speakPlainly(parent.command(name)).description(description)
      .addOption(databaseOption()).addOption(new Option('--json', 'say it as JSON')).allowExcessArguments(false)

  const serving = command(clientele, 'serve', 'start the server')
  for (const itsOption of serveOptions()) serving.addOption(itsOption)
  serving.action(async (options: ServeOptions) => {
    // Loading the web server takes longer than most commands do, and only this one needs it.
    const { serve } = await import('./serve.ts')
    await serve(serveConfig(options), options)
  })

  const key = speakPlainly(clientele.command('key')).description('make, list and revoke API keys').helpCommand(false)
  command(key, 'create', 'make a key and print it, this once')
    .option('--organization <name>', 'whose key; needed when there are several')
    .option('--name <name>', 'what the key is for', 'unnamed')
    .action(createKey)
  command(key, 'list', 'list keys, without their secrets').action(listKeys)
  command(key, 'revoke', 'refuse a key from now on').argument('<id>', 'its id, as in key list', parseId).action(revokeKey)

  const organization = speakPlainly(clientele.command('organization')).description('make and list organizations').helpCommand(false)
  command(organization, 'create', 'make an organization').argument('<name>').action(createOrganization)
  command(organization, 'list', 'list organizations').action(listOrganizations)

  command(clientele, 'migrate', 'make the database, or bring its schema up to date').action(migrate)
  command(clientele, 'distribute', 'spread the customers of a database on Citus over the machines of its cluster, also while servers run')
    .addOption(new Option('--shards <number>', 'parts that customers are spread in; what Citus is set to by default')
      .argParser((value) => parseWholeNumber(value, { min: 1, max: limits.shardsMax })))
    .action(distribute)
  command(clientele, 'backup', 'write a consistent, checked copy, also while the server runs')
    .requiredOption('--to <file>', 'where to; must not exist')
    .action(backup)
  speakPlainly(clientele.command('copy')).description('copy everything into another database, of the same engine or the other, also while the server of the source runs')
    .addOption(copiedDatabaseOption('--from <url>', 'the database to copy, as sqlite:PATH or postgres://USER@HOST/NAME'))
    .addOption(copiedDatabaseOption('--to <url>', 'the database to copy to, given likewise; made when it is not there'))
    .option('--overwrite', 'remove what the target holds first')
    .addOption(new Option('--json', 'say it as JSON'))
    .allowExcessArguments(false)
    .action(copy)
  command(clientele, 'doctor', 'check that all the database holds agrees, and mend what does not, also while the server runs')
    .option('--check', 'only say what is wrong')
    .action(doctor)
  command(clientele, 'version', 'print the version').action((options: { json?: true }) => {
    report(options, { json: { version, node: process.versions.node }, text: version })
  })
  command(clientele, 'help', 'print this').argument('[command...]').action((names: string[], options: { json?: true }) => {
    const topic = names.reduce<Command>(findCommand, clientele)
    const text = topic.helpInformation().trimEnd()
    report(options, { json: { help: text }, text })
  })
  return clientele
}

/** Commander shows the values that it refuses, and names nothing where nothing is near. */
function speakPlainly(command: Command): Command {
  return command.configureOutput({ outputError: (text, write) => { write(withoutPassword(withHint(text, command))) } })
}

function withHint(text: string, { commands, options }: Command): string {
  const [, kind, name = ''] = /^error: unknown (option|command) '([^'=]*)/.exec(text) ?? []
  if (kind === undefined || text.includes('Did you mean')) return text
  const known = kind === 'command' ? commands.map((child) => child.name()) : options.flatMap(({ long }) => long ?? [])
  return known.length === 0 ? text : `${text.trimEnd()}\n(Did you mean ${closest(name.replace(/^-(?=[^-])/, '--'), known)}?)\n`
}

function findCommand(parent: Command, name: string): Command {
  const known = parent.commands.map((child) => child.name())
  const found = parent.commands[known.indexOf(name)]
  if (found !== undefined) return found
  const hint = known.length === 0 ? '' : `\n(Did you mean ${closest(name, known)}?)`
  return parent.error(`error: unknown command '${name}'${hint}`)
}

function parseId(value: string): number {
  if (/^[1-9]\d{0,15}$/.test(value)) return Number(value)
  throw new InvalidArgumentError('It should be the number that key list shows.')
}
