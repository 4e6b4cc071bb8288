import { enableCompileCache } from 'node:module'

// The same sources are loaded by each of hundreds of processes and threads of a run, which takes longer than most tests. Node
// keeps what it compiled for processes that NODE_COMPILE_CACHE tells where; a thread has to ask for it.
enableCompileCache(process.env['NODE_COMPILE_CACHE'])
