/** fnmatch(3) without flags: `*`, `?`, `[…]`, `\`. A pattern that has none of them is a plain name. */
export function isPattern(text: string): boolean {
  return /[*?[\\]/.test(text);
}

/** The matcher of a pattern. Long patterns (over 1024 chars) match nothing. */
export function globMatcher(pattern: string): (name: string) => boolean {
  if (pattern.length > 1024) return () => false;
  let source = '';
  for (let i = 0; i < pattern.length; i++) {
    const char = pattern[i] ?? '';
    if (char === '*') {
      if (!source.endsWith('[^]*')) source += '[^]*';
    } else if (char === '?') {
      source += '[^]';
    } else if (char === '[') {
      const end = pattern.indexOf(']', pattern[i + 1] === '!' || pattern[i + 1] === '^' ? i + 3 : i + 2);
      if (end < 0) {
        source += '\\[';
        continue;
      }
      const body = pattern.slice(i + 1, end);
      source += `[${body.replace(/^[!^]/, '^').replace(/[\\\]]/g, '\\$&')}]`;
      i = end;
    } else {
      const literal = char === '\\' ? (pattern[++i] ?? '\\') : char;
      source += literal.replace(/[.*+?^${}()|[\]\\/]/, '\\$&');
    }
  }
  try {
    const regex = new RegExp(`^${source}$`);
    return (name) => regex.test(name);
  } catch {
    return () => false;
  }
}
