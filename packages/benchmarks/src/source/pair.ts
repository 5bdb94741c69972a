/**
 * One contender beside its reference, alternating in one warmed process.
 *
 * CPU time, not wall time: the machine may be shared. The ratio is the median over the rounds.
 */
export interface Contender {
  readonly name: string
  /** Runs once; the promise settles when all of it has. */
  readonly run: () => Promise<unknown>
}

export interface Result {
  /** The contender's CPU time over the reference's. */
  readonly ratio: number
  /** Microseconds of CPU time for one run of the contender. */
  readonly micros: number
}

const rounds = 15
const blockMillis = 120

export const compare = async (reference: Contender, contender: Contender): Promise<Result> => {
  const counts = [await warm(reference), await warm(contender)] as const
  const ratios: Array<number> = []
  const micros: Array<number> = []
  for (let round = 0; round < rounds; round++) {
    const isOdd = round % 2 === 1
    const first = isOdd ? await block(contender, counts[1]) : await block(reference, counts[0])
    const second = isOdd ? await block(reference, counts[0]) : await block(contender, counts[1])
    const [theirs, ours] = isOdd ? [second, first] : [first, second]
    ratios.push(ours / theirs)
    micros.push(ours)
  }
  return { ratio: median(ratios), micros: median(micros) }
}

/** Runs until the compiler has had its say; gives how many runs make a block. */
const warm = async ({ run }: Contender): Promise<number> => {
  const until = performance.now() + 600
  let runs = 0
  while (performance.now() < until || runs < 3) {
    await run()
    runs++
  }
  const started = performance.now()
  await run()
  await run()
  const each = (performance.now() - started) / 2
  return Math.max(1, Math.round(blockMillis / each))
}

const block = async ({ run }: Contender, count: number): Promise<number> => {
  const before = process.cpuUsage()
  for (let i = 0; i < count; i++) await run()
  const { system, user } = process.cpuUsage(before)
  return (user + system) / count
}

const median = (values: ReadonlyArray<number>): number => {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
