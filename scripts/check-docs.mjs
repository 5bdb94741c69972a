// Type-checks every TypeScript example: ```ts blocks of the Markdown pages, and @example sections of doc comments.
// Each block is a module of its own. "```ts no-check" leaves a block out (another library's code, for comparison).
import { execFileSync } from "node:child_process"
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { basename, join } from "node:path"

const out = ".docs-check"

const walk = (folder, ending) =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) {
      return ["node_modules", "dist", "reference", ".vitepress"].includes(entry.name) ? [] : walk(path, ending)
    }
    return path.endsWith(ending) ? [path] : []
  })

const packages = readdirSync("packages").filter((name) => statSync(join("packages", name)).isDirectory())

const asked = process.argv.slice(2)
const files =
  asked.length > 0
    ? asked
    : [
        "README.md",
        "CONTRIBUTING.md",
        ...walk("docs", ".md"),
        ...packages.flatMap((name) => [
          ...walk(join("packages", name), ".md"),
          ...walk(join("packages", name, "src"), ".ts")
        ])
      ]

const lineOf = (text, index) => text.slice(0, index).split("\n").length

const blocksOf = (file) => {
  const text = readFileSync(file, "utf8")
  if (file.endsWith(".md")) {
    return [...text.matchAll(/^```(?:ts|typescript)[ \t]*(.*)\n([\s\S]*?)^```/gm)].flatMap((match) =>
      match[1].includes("no-check") ? [] : [{ line: lineOf(text, match.index) + 1, code: match[2] }]
    )
  }
  return [...text.matchAll(/\/\*\*[\s\S]*?\*\//g)].flatMap((comment) => {
    const lines = comment[0]
      .slice(3, -2)
      .split("\n")
      .map((line) => line.replace(/^\s*\*? ?/, ""))
    const first = lineOf(text, comment.index)
    const examples = []
    for (let at = 0; at < lines.length; at++) {
      if (!lines[at].startsWith("@example")) continue
      const end = lines.findIndex((line, index) => index > at && /^@\w/.test(line))
      const code = lines.slice(at + 1, end === -1 ? undefined : end).filter((line) => !line.startsWith("```"))
      if (code.some((line) => line.trim() !== "")) examples.push({ line: first + at + 1, code: code.join("\n") })
    }
    return examples
  })
}

rmSync(out, { recursive: true, force: true })
mkdirSync(out, { recursive: true })
const origins = new Map()
for (const file of files) {
  for (const { code, line } of blocksOf(file)) {
    const name = `${basename(file).replace(/\W/g, "-")}-${origins.size}.ts`
    // A block without imports or exports would be a script, and share its names with the others.
    writeFileSync(join(out, name), /^(import|export)\b/m.test(code) ? code : `${code}\nexport {}\n`)
    origins.set(name, { file, line })
  }
}
const referenced = packages.filter((name) => name !== "benchmarks")
writeFileSync(
  join(out, "tsconfig.json"),
  JSON.stringify({
    extends: "../tsconfig.base.json",
    compilerOptions: {
      composite: false,
      declaration: false,
      declarationMap: false,
      noEmit: true,
      noUnusedLocals: false,
      noUnusedParameters: false,
      lib: ["ES2023", "DOM", "DOM.Iterable"],
      types: ["node"]
    },
    // Named one by one: `include` passes over folders whose name begins with a dot.
    files: [...origins.keys()],
    references: referenced.map((name) => ({ path: `../packages/${name}` }))
  })
)

try {
  execFileSync("npx", ["tsc", "-p", out, "--pretty", "false"], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"]
  })
  console.log(`${origins.size} examples of ${files.length} files compile`)
} catch (error) {
  const report = String(error.stdout).replace(
    /^\.docs-check\/([\w.-]+)\((\d+),(\d+)\)/gm,
    (whole, name, line, column) => {
      const origin = origins.get(name)
      return origin === undefined ? whole : `${origin.file}(${origin.line + Number(line) - 1},${column})`
    }
  )
  console.error(report)
  process.exitCode = 1
}
