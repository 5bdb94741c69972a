// Removes everything that a build leaves behind.
import { readdirSync, rmSync } from "node:fs"

for (const name of readdirSync("packages")) rmSync(`packages/${name}/dist`, { recursive: true, force: true })
for (const path of ["docs/reference", "docs/.vitepress/dist", "docs/.vitepress/cache", ".docs-check"]) {
  rmSync(path, { recursive: true, force: true })
}
