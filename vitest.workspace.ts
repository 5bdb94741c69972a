import { readdirSync } from "node:fs"
import { defineConfig } from "vitest/config"

const root = new URL("./packages/", import.meta.url)

/** One project a package, so that `vitest --project source` runs one room's tests. */
const projects = readdirSync(root, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && entry.name !== "benchmarks")
  .map(({ name }) => ({
    resolve: { conditions: ["@wellspring/dev"] },
    ssr: { resolve: { conditions: ["@wellspring/dev"], externalConditions: ["@wellspring/dev"] } },
    test: {
      name,
      root: new URL(name, root).pathname,
      include: ["test/**/*.test.ts"],
      testTimeout: 20_000
    }
  }))

export default defineConfig({ test: { projects } })
