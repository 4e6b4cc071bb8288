/**
 * Where CaseFolding.txt (status C and S) differs from lower case, once lower case has been taken.
 * Lower Cherokee is missing here: it is the one script that folds to upper case.
 */
const foldingOfLowerCase = new Map([
  ['\u00b5', '\u03bc'], // micro sign: mu
  ['\u017f', 's'], // long s
  ['\u0345', '\u03b9'], // combining ypogegrammeni: iota
  ['\u03c2', '\u03c3'], // final sigma: sigma
  ['\u03d0', '\u03b2'], // beta symbol: beta
  ['\u03d1', '\u03b8'], // theta symbol: theta
  ['\u03d5', '\u03c6'], // phi symbol: phi
  ['\u03d6', '\u03c0'], // pi symbol: pi
  ['\u03f0', '\u03ba'], // kappa symbol: kappa
  ['\u03f1', '\u03c1'], // rho symbol: rho
  ['\u03f5', '\u03b5'], // lunate epsilon symbol: epsilon
  ['\u1c80', '\u0432'], // rounded ve: ve
  ['\u1c81', '\u0434'], // long-legged de: de
  ['\u1c82', '\u043e'], // narrow o: o
  ['\u1c83', '\u0441'], // wide es: es
  ['\u1c84', '\u0442'], // tall te: te
  ['\u1c85', '\u0442'], // three-legged te: te
  ['\u1c86', '\u044a'], // tall hard sign: hard sign
  ['\u1c87', '\u0463'], // tall yat: yat
  ['\u1c88', '\ua64b'], // unblended uk: monograph uk
  ['\u1e9b', '\u1e61'], // long s with dot above: s with dot above
  ['\u1fbe', '\u03b9'], // prosgegrammeni: iota
  ['\u1fd3', '\u0390'], // iota with dialytika and oxia: with tonos
  ['\u1fe3', '\u03b0'], // upsilon with dialytika and oxia: with tonos
  ['\ufb05', '\ufb06'] // ligature long s t: ligature st
])

const lowerCherokee = '\u13f8-\u13fd\uab70-\uabbf'
const differing = new RegExp(`[${[...foldingOfLowerCase.keys()].join('')}${lowerCherokee}]`, 'g')

/**
 * Unicode's common and simple case folding, as the regular-expression flags `iu` do it. The length
 * in code points never changes. Letters younger than the runtime's Unicode version fold to
 * themselves, so a stored copy of a text that has such letters is out of date after an upgrade.
 */
export function foldCase(text: string): string {
  // Lower case turns this letter into two characters, an i and a dot; folding leaves it alone.
  if (text.includes('\u0130')) return text.split('\u0130').map(foldCase).join('\u0130')

  const lower = text.toLowerCase()
  // Most texts end here: asking first takes half the time of a replace that finds nothing.
  if (lower.search(differing) === -1) return lower

  return lower.replace(differing, foldLowerCase)
}

function foldLowerCase(letter: string): string {
  return foldingOfLowerCase.get(letter) ?? letter.toUpperCase()
}
