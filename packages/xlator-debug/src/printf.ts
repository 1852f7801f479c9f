/** `%.<digits>f` as C prints it: exact halves go to the even digit; what is no number has C's names. */
export function fixed(value: number, digits: number): string {
  if (Number.isNaN(value)) return '-nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  const scaled = value * 10 ** digits;
  const whole = Math.floor(scaled);
  if (scaled - whole === 0.5 && whole % 2 === 0) return (whole / 10 ** digits).toFixed(digits);
  return value.toFixed(digits);
}
