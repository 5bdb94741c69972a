// Packs every public package and looks at the tarballs as npm's users would get them: publint, attw, and an import
// of every entry and module from a folder where only the packed files exist.
import { execFileSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, join, resolve } from "node:path"
import { publint } from "publint"
import { formatMessage } from "publint/utils"

const run = (command, args, options = {}) => execFileSync(command, args, { encoding: "utf8", ...options })

const home = mkdtempSync(join(tmpdir(), "wellspring-packages-"))
const scope = join(home, "node_modules", "@wellspring")
mkdirSync(scope, { recursive: true })
// What the packages depend on is taken from this checkout; our own packages are not.
for (const name of readdirSync("node_modules")) {
  if (name !== "@wellspring" && name !== ".bin")
    symlinkSync(resolve("node_modules", name), join(home, "node_modules", name))
}

const manifests = readdirSync("packages")
  .map((name) => ({
    folder: join("packages", name),
    ...JSON.parse(readFileSync(join("packages", name, "package.json")))
  }))
  .filter((manifest) => manifest.private !== true)

let faults = 0
for (const { folder, name } of manifests) {
  const [{ filename }] = JSON.parse(
    run("npm", ["pack", "--json", "--pack-destination", home], { cwd: folder, stdio: ["ignore", "pipe", "ignore"] })
  )
  const tarball = join(home, filename)
  const room = join(scope, basename(name))
  mkdirSync(room)
  run("tar", ["xzf", tarball, "-C", room, "--strip-components=1"])
  const packed = readFileSync(tarball)
  const { messages, pkg } = await publint({
    pack: { tarball: packed.buffer.slice(packed.byteOffset, packed.byteOffset + packed.byteLength) },
    strict: true
  })
  for (const message of messages) {
    if (message.type === "suggestion") continue
    faults++
    console.error(`${name}: ${formatMessage(message, pkg)}`)
  }
  try {
    run("npx", ["attw", tarball, "--profile", "esm-only", "--no-color"])
  } catch (error) {
    faults++
    console.error(`${name}: ${error.stdout}`)
  }
}

// Registers tests as it is imported, which only a test runner lets it do.
const insideRunner = ["@wellspring/testing/CacheStoreContract"]

for (const { name } of manifests) {
  const modules = readdirSync(join(scope, basename(name), "dist")).filter((file) => file.endsWith(".js"))
  const specifiers = modules
    .map((file) => (file === "index.js" ? name : `${name}/${file.slice(0, -3)}`))
    .filter((specifier) => !insideRunner.includes(specifier))
  const script = specifiers.map((specifier) => `await import(${JSON.stringify(specifier)})`).join("\n")
  try {
    run("node", ["--input-type=module", "--eval", script], { cwd: home, stdio: ["ignore", "pipe", "pipe"] })
    console.log(`${name}: ${specifiers.length} modules import from the packed files`)
  } catch (error) {
    faults++
    console.error(`${name}: ${error.stderr}`)
  }
}

rmSync(home, { recursive: true, force: true })
if (faults > 0) {
  console.error(`${faults} faults in the packed packages`)
  process.exitCode = 1
}
