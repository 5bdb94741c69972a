/** Keeps what architecture.md says of imports and dependencies true. */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { builtinModules } from "node:module"
import { dirname, join, relative, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import ts from "typescript"

const packages = fileURLToPath(new URL("../packages", import.meta.url))
const page = readFileSync(new URL("architecture.md", import.meta.url), "utf8")

/** A room may import these rooms, and no other. */
const below: Record<string, ReadonlyArray<string>> = {
  source: [],
  "cache-store": [],
  "http-cache": ["cache-store"],
  rest: ["source", "cache-store", "http-cache"],
  redis: ["cache-store"],
  memcached: ["cache-store"],
  graphql: ["source"],
  testing: ["source", "cache-store", "http-cache", "rest"]
}

interface Manifest {
  readonly private?: boolean
  readonly dependencies?: Record<string, string>
  readonly peerDependencies?: Record<string, string>
}

const readJson = <A>(path: string): A => JSON.parse(readFileSync(path, "utf8"))

const filesOf = (folder: string): ReadonlyArray<string> =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(folder, name))

const importsOf = (file: string): ReadonlyArray<string> =>
  ts.preProcessFile(readFileSync(file, "utf8"), true, true).importedFiles.map(({ fileName }) => fileName)

const packageOf = (specifier: string): string =>
  specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/")

const isBuiltin = (specifier: string): boolean => specifier.startsWith("node:") || builtinModules.includes(specifier)

const rooms = readdirSync(packages).filter(
  (name) => readJson<Manifest>(join(packages, name, "package.json")).private !== true
)

describe("architecture", () => {
  it("has a place for every published package", () => {
    assert.deepStrictEqual([...rooms].sort(), Object.keys(below).sort())
  })

  for (const room of rooms) {
    const folder = join(packages, room)
    const source = join(folder, "src")
    const manifest = readJson<Manifest>(join(folder, "package.json"))
    const declared = { ...manifest.dependencies, ...manifest.peerDependencies }

    it(`lets ${room} import downwards only, and never another package's internals`, () => {
      for (const file of filesOf(source)) {
        for (const specifier of importsOf(file)) {
          const where = `${relative(packages, file)} imports ${specifier}`
          if (specifier.startsWith(".")) {
            const target = resolve(dirname(file), specifier)
            assert.isTrue(target.startsWith(`${source}/`) && existsSync(target), `${where}, outside its package`)
          } else if (specifier.startsWith("@wellspring/")) {
            const [, name = "", ...path] = specifier.split("/")
            assert.include(below[room] ?? [], name, where)
            assert.notStrictEqual(path[0], "internal", where)
          } else if (!isBuiltin(specifier)) {
            assert.property(declared, packageOf(specifier), `${where}, which its package.json does not name`)
          }
        }
      }
    })

    it(`names the same rooms in ${room}'s package.json and tsconfig.json`, () => {
      const references = readJson<{ references?: ReadonlyArray<{ path: string }> }>(join(folder, "tsconfig.json"))
        .references?.map(({ path }) => path.replace("../", ""))
        .filter((name) => name in below)
      const dependencies = Object.keys(declared)
        .filter((name) => name.startsWith("@wellspring/"))
        .map((name) => name.replace("@wellspring/", ""))
      for (const name of dependencies) assert.include(below[room] ?? [], name)
      assert.includeMembers(references ?? [], dependencies)
    })

    it(`gives a reason for every runtime dependency of ${room}`, () => {
      for (const name of Object.keys(manifest.dependencies ?? {})) {
        if (!name.startsWith("@wellspring/")) assert.match(page, new RegExp(`^\\| *\`${name}\` *\\|`, "m"))
      }
    })
  }
})
