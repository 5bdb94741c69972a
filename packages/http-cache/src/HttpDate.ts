/**
 * Dates as HTTP writes them, in milliseconds since 1970 (UTC).
 *
 * The grammar is taken at its word ([RFC 9110 §5.6.7][1]): the three forms it
 * names, in any letter case ([RFC 9111 §4.2][2]), and nothing else. A zone
 * other than GMT, a missing comma, a single-digit hour, one space too many: all
 * invalid, because a date that is guessed makes a response live too long.
 *
 * [1]: https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7
 * [2]: https://www.rfc-editor.org/rfc/rfc9111#section-4.2
 */

/**
 * Reads an IMF-fixdate, an RFC 850 date or an asctime date; `NaN` for anything else.
 *
 * A two-digit year that would lie more than 50 years after `now` belongs to the
 * past century. The weekday must be a weekday, and is not compared to the date.
 *
 * @example
 * import { HttpDate } from "@wellspring/http-cache"
 *
 * HttpDate.parse("Sun, 06 Nov 1994 08:49:37 GMT", 0) // 784111777000
 * HttpDate.parse("1994-11-06", 0) // NaN
 */
export const parse = (text: string, now: number): number => {
  if (text.length < 24 || text.length > 33) return Number.NaN
  // Most responses that come together were made within the same second.
  if (text === lastFixdate) return lastInstant
  const imf = imfFixdate.exec(text)
  if (imf !== null) {
    lastInstant = instant(imf[3], imf[2], imf[1], imf[4], imf[5], imf[6])
    lastFixdate = text
    return lastInstant
  }
  const old = rfc850.exec(text)
  if (old !== null) {
    const century = Math.floor(new Date(now).getUTCFullYear() / 100) * 100
    const short = Number(old[3])
    const at = (year: number) => instant(String(year), old[2], old[1], old[4], old[5], old[6])
    const limit = fiftyYearsAfter(now)
    // The latest year with these two digits that is not more than 50 years ahead.
    for (const year of [century + 100 + short, century + short]) {
      if (at(year) <= limit) return at(year)
    }
    return at(century - 100 + short)
  }
  const c = asctime.exec(text)
  return c === null ? Number.NaN : instant(c[6], c[1], c[2], c[3], c[4], c[5])
}

/** Writes an instant as an IMF-fixdate, whole seconds, rounded down. */
export const format = (instant: number): string => new Date(instant).toUTCString()

let lastFixdate = ""
let lastInstant = Number.NaN

const months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
const month = "(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
const day = "(?:mon|tue|wed|thu|fri|sat|sun)"
const time = "(\\d{2}):(\\d{2}):(\\d{2})"
const imfFixdate = new RegExp(`^${day}, (\\d{2}) ${month} (\\d{4}) ${time} gmt$`, "i")
const rfc850 = new RegExp(`^(?:mon|tues|wednes|thurs|fri|satur|sun)day, (\\d{2})-${month}-(\\d{2}) ${time} gmt$`, "i")
const asctime = new RegExp(`^${day} ${month} (\\d{2}| \\d) ${time} (\\d{4})$`, "i")

const fiftyYearsAfter = (now: number): number => {
  const date = new Date(now)
  return date.setUTCFullYear(date.getUTCFullYear() + 50)
}

const instant = (
  year: string | undefined,
  monthName: string | undefined,
  dayOfMonth: string | undefined,
  hour: string | undefined,
  minute: string | undefined,
  second: string | undefined
): number => {
  const monthIndex = months.indexOf((monthName ?? "").toLowerCase())
  const h = Number(hour)
  const m = Number(minute)
  const s = Number(second)
  // A leap second is written :60.
  if (h > 23 || m > 59 || s > 60) return Number.NaN
  const date = new Date(0)
  // Unlike Date.UTC, this takes the years 0 to 99 as they are.
  date.setUTCFullYear(Number(year), monthIndex, Number(dayOfMonth))
  if (date.getUTCMonth() !== monthIndex || date.getUTCDate() !== Number(dayOfMonth)) return Number.NaN
  return date.setUTCHours(h, m, s)
}
