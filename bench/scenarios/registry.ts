import type { Scenario } from '../scenario.ts'
import { chunked } from './chunked.ts'
import { complete } from './complete.ts'
import { concurrent } from './concurrent.ts'
import { download } from './download.ts'
import { eventLoop } from './event-loop.ts'
import { installedSize } from './installed-size.ts'
import { list } from './list.ts'
import { memory } from './memory.ts'
import { multipart } from './multipart.ts'
import { smallFiles } from './small-files.ts'
import { start } from './start.ts'
import { tus } from './tus.ts'
import { waiters } from './waiters.ts'
import { workers } from './workers.ts'
import { xAccel } from './x-accel.ts'

/** Everything that is measured, in the order of the table. A scenario is one line here. */
export const scenarios: readonly Scenario[] = [
  tus,
  concurrent,
  smallFiles,
  chunked,
  complete,
  multipart,
  download,
  xAccel,
  memory,
  eventLoop,
  waiters,
  list,
  start,
  installedSize,
  workers,
]
