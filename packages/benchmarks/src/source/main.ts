/**
 * Batching beside DataLoader: CPU time as a ratio, and heap for a pending load.
 *
 * `node --expose-gc dist/source/main.js` runs every pair in a process of its own.
 */
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { cases } from "./cases.ts"
import { heapPerPendingLoad } from "./heap.ts"
import { compare, type Result } from "./pair.ts"

const execute = promisify(execFile)

const child = async (which: string): Promise<unknown> => {
  const { stdout } = await execute(process.execPath, ["--expose-gc", fileURLToPath(import.meta.url), which])
  return JSON.parse(stdout)
}

const row = (name: string, figure: string, target: string, verdict: string): void =>
  console.log(`${name.padEnd(52)} ${figure.padStart(12)} ${target.padStart(10)}  ${verdict}`)

export const run = async (): Promise<void> => {
  row("batching, ratio of CPU time to DataLoader's", "ratio", "at most", "")
  for (let i = 0; i < cases.length; i++) {
    const { name, target } = cases[i] ?? { name: "", target: undefined }
    const { ratio } = (await child(String(i))) as Result
    const verdict = target === undefined ? "" : ratio <= target ? "held" : "missed"
    row(name, `${ratio.toFixed(2)}×`, target === undefined ? "" : `${target.toFixed(2)}×`, verdict)
  }
  const { dataLoader, source } = (await child("heap")) as { readonly dataLoader: number; readonly source: number }
  row("heap per pending load, DataLoader", `${dataLoader.toFixed(2)} kB`, "", "")
  row("heap per pending load, Source", `${source.toFixed(2)} kB`, "0.60 kB", source <= 0.6 ? "held" : "missed")
}

const measure = async (which: string): Promise<unknown> => {
  if (which === "heap") return heapPerPendingLoad()
  const { contender, reference } = cases[Number(which)] ?? {}
  if (contender === undefined || reference === undefined) throw new RangeError(`No such pair: ${which}`)
  return compare(reference(), contender())
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const which = process.argv[2]
  if (which === undefined) await run()
  else console.log(JSON.stringify(await measure(which)))
}
