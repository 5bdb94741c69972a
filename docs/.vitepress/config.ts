import { existsSync, readdirSync, readFileSync } from "node:fs"
import { defineConfig } from "vitepress"

const guides = new URL("../guides/", import.meta.url)

/** A page's title is its first heading. */
const titleOf = (file: string): string => /^# (.+)$/m.exec(readFileSync(new URL(file, guides), "utf8"))?.[1] ?? file

const reference = new URL("../reference/", import.meta.url)

export default defineConfig({
  title: "Wellspring",
  description: "Data sources for TypeScript servers, as Effect values",
  cleanUrls: true,
  // Links out of this folder are for readers of the repository.
  ignoreDeadLinks: [/\/packages\//, /\/\.\.\//, /architecture\.test/, /CONTRIBUTING|README|LICENSE/],
  themeConfig: {
    search: { provider: "local" },
    sidebar: [
      {
        text: "Wellspring",
        items: [
          { text: "Start here", link: "/" },
          { text: "Architecture", link: "/architecture" }
        ]
      },
      {
        text: "Guides",
        items: readdirSync(guides)
          .filter((file) => file.endsWith(".md"))
          .map((file) => ({ text: titleOf(file), link: `/guides/${file.slice(0, -3)}` }))
      },
      {
        text: "Reference",
        items: existsSync(reference) ? [{ text: "All packages", link: "/reference/" }] : []
      }
    ]
  }
})
