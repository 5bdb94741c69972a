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
  if (text.length === 29) {
    if (text !== read.text) read = { text, instant: fixdate(text) }
    return read.instant
  }
  const old = rfc850.exec(text)
  if (old !== null) {
    const century = Math.floor(new Date(now).getUTCFullYear() / 100) * 100
    const short = Number(old[3])
    const [, day, name, , hour, minute, second] = old
    const at = (year: number) => instant(year, monthOf(name), Number(day), Number(hour), Number(minute), Number(second))
    const limit = fiftyYearsAfter(now)
    // The latest year with these two digits that is not more than 50 years ahead.
    for (const year of [century + 100 + short, century + short]) {
      if (at(year) <= limit) return at(year)
    }
    return at(century - 100 + short)
  }
  const c = asctime.exec(text)
  if (c === null) return Number.NaN
  const [, name, day, hour, minute, second, year] = c
  return instant(Number(year), monthOf(name), Number(day), Number(hour), Number(minute), Number(second))
}

/** Writes an instant as an IMF-fixdate, whole seconds, rounded down. */
export const format = (instant: number): string => {
  const second = Math.floor(instant / 1000)
  if (second !== formatted.second) formatted = { second, text: new Date(second * 1000).toUTCString() }
  return formatted.text
}

// Responses of one second are many: what was last written, and read, is remembered.
let formatted = { second: Number.NaN, text: "" }
let read = { text: "", instant: Number.NaN }

const months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
const month = "(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
const day = "(?:mon|tue|wed|thu|fri|sat|sun)"
const time = "(\\d{2}):(\\d{2}):(\\d{2})"
const rfc850 = new RegExp(`^(?:mon|tues|wednes|thurs|fri|satur|sun)day, (\\d{2})-${month}-(\\d{2}) ${time} gmt$`, "i")
const asctime = new RegExp(`^${day} ${month} (\\d{2}| \\d) ${time} (\\d{4})$`, "i")

const days = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]

const monthOf = (name: string | undefined): number => months.indexOf((name ?? "").toLowerCase())

/** `Sun, 06 Nov 1994 08:49:37 GMT`, which no other form is as long as: by position, since every response has one. */
const fixdate = (text: string): number => {
  const lower = text.toLowerCase()
  const isFixdate =
    lower.startsWith(", ", 3) &&
    text.charCodeAt(7) === 32 &&
    text.charCodeAt(11) === 32 &&
    text.charCodeAt(16) === 32 &&
    text.charCodeAt(19) === 58 &&
    text.charCodeAt(22) === 58 &&
    lower.endsWith(" gmt") &&
    days.includes(lower.slice(0, 3))
  if (!isFixdate) return Number.NaN
  const year = two(text, 12) * 100 + two(text, 14)
  return instant(year, monthOf(lower.slice(8, 11)), two(text, 5), two(text, 17), two(text, 20), two(text, 23))
}

/** Two digits; `NaN` for anything else. */
const two = (text: string, at: number): number => {
  const tens = text.charCodeAt(at) - 48
  const ones = text.charCodeAt(at + 1) - 48
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN
}

const fiftyYearsAfter = (now: number): number => {
  const date = new Date(now)
  return date.setUTCFullYear(date.getUTCFullYear() + 50)
}

const daysOf = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

const daysIn = (year: number, month: number): number =>
  month === 1 && (year % 400 === 0 || (year % 4 === 0 && year % 100 !== 0)) ? 29 : (daysOf[month] ?? Number.NaN)

/** `NaN` when any part is `NaN`, or there is no such instant. A leap second is written `:60`. */
const instant = (year: number, month: number, day: number, hour: number, minute: number, second: number): number => {
  if (!(day >= 1 && day <= daysIn(year, month) && hour <= 23 && minute <= 59 && second <= 60)) return Number.NaN
  // Date.UTC takes the years 0 to 99 for those of a later century.
  const midnight = year >= 100 ? Date.UTC(year, month, day) : new Date(0).setUTCFullYear(year, month, day)
  return year >= 0 ? midnight + ((hour * 60 + minute) * 60 + second) * 1000 : Number.NaN
}
