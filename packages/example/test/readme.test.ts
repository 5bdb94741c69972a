/** The first program of the README prints what the README says it prints. */
import { execFile } from "node:child_process"
import { readFile, rm, writeFile } from "node:fs/promises"
import { createRequire } from "node:module"
import { promisify } from "node:util"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"

const readme = new URL("../../../README.md", import.meta.url)

it.scoped("README's first program runs as it stands", () =>
  Effect.gen(function* () {
    const text = yield* Effect.promise(() => readFile(readme, "utf8"))
    const [, program = "", output = ""] = /^```ts\n([\s\S]*?)^```\n[\s\S]*?^```\n([\s\S]*?)^```/m.exec(text) ?? []
    assert.isAtMost(program.trimEnd().split("\n").length, 25)

    const file = new URL(`./readme-${process.pid}.ts`, import.meta.url)
    yield* Effect.acquireRelease(
      Effect.promise(() => writeFile(file, program)),
      () => Effect.promise(() => rm(file, { force: true }))
    )
    const tsx = createRequire(import.meta.url).resolve("tsx")
    const { stdout } = yield* Effect.promise((signal) =>
      promisify(execFile)(process.execPath, ["--conditions=@wellspring/dev", "--import", tsx, file.pathname], {
        signal
      })
    )
    assert.strictEqual(stdout, output)
  })
)
