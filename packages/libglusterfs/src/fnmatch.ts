/** The end of the bracket expression that begins at `at`, or -1 when it is never closed: then `[` stands for itself. */
function bracketEnd(pattern: string, at: number): number {
  const first = at + ('!^'.includes(pattern.charAt(at + 1)) && at + 1 < pattern.length ? 2 : 1);
  // A `]` in the first place is a member.
  return pattern.indexOf(']', first + 1);
}

/** Whether `c` is in the set `pattern[at..end]`, brackets included. A range whose ends are the wrong way round is empty. */
function inBracket(pattern: string, at: number, end: number, c: string): boolean {
  const negated = '!^'.includes(pattern.charAt(at + 1));
  let found = false;
  for (let i = at + (negated ? 2 : 1); i < end; i++) {
    const low = pattern.charAt(i);
    if (pattern.charAt(i + 1) === '-' && i + 2 < end) {
      found ||= low <= c && c <= pattern.charAt(i + 2);
      i += 2;
    } else found ||= low === c;
  }
  return found !== negated;
}

/**
 * fnmatch(3) with FNM_NOESCAPE: `*`, `?` and `[…]`, over latin-1 strings (spec/client.md, §2.1, §18). For option keys, values and
 * --xlator-option patterns. Takes at most |pattern| × |text| steps: only the last `*` is ever gone back to, for an earlier one that
 * took more could not help.
 */
export function fnmatch(pattern: string, text: string, caseless = false): boolean {
  if (caseless) return fnmatch(pattern.toLowerCase(), text.toLowerCase());
  let p = 0;
  let t = 0;
  let star = -1;
  let starText = 0;
  while (t < text.length || p < pattern.length) {
    const c = pattern.charAt(p);
    if (c === '*') {
      star = p++;
      starText = t;
      continue;
    }
    if (p < pattern.length && t < text.length) {
      const end = c === '[' ? bracketEnd(pattern, p) : -1;
      const fits = end >= 0 ? inBracket(pattern, p, end, text.charAt(t)) : c === '?' || c === text.charAt(t);
      if (fits) {
        p = end >= 0 ? end + 1 : p + 1;
        t++;
        continue;
      }
    }
    if (star < 0 || starText >= text.length) return false;
    p = star + 1;
    t = ++starText;
  }
  return true;
}
