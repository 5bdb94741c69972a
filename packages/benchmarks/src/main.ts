/**
 * `npm run bench` prints every table; `npm run bench -- source client` prints these.
 * Each table runs in a process of its own: what one leaves in the heap must not slow the next.
 */
import { spawnSync } from "node:child_process"
import { existsSync, readdirSync } from "node:fs"
import { fileURLToPath } from "node:url"

const here = fileURLToPath(new URL(".", import.meta.url))

const tables = readdirSync(here, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && existsSync(`${here}${entry.name}/main.js`))
  .map((entry) => entry.name)

const asked = process.argv.slice(2)
const unknown = asked.filter((name) => !tables.includes(name))
if (unknown.length > 0) {
  console.error(`No table called ${unknown.join(", ")}. There are: ${tables.join(", ")}.`)
  process.exit(2)
}

console.log("CPU time per operation as ratios, medians of interleaved rounds. Only ratios of one run compare.\n")
let failed = 0
for (const name of asked.length > 0 ? asked : tables) {
  console.log(`== ${name}`)
  const { status } = spawnSync(process.execPath, ["--expose-gc", `${here}${name}/main.js`], { stdio: "inherit" })
  if (status !== 0) failed++
}
process.exitCode = failed === 0 ? 0 : 1
