// The commonest words of languages that share our letters; such as are English, too, are left out.
const FOREIGN = new Set(
  `aber als auch auf aus bei bitte das dass dem den der des dich die dies doch durch ein eine einem einen einer eines
  für haben hat ich ihr im ist kann kein können mein mich mit nach nicht noch nur oder ohne schon sein sich sie sind soll
  über und uns unser unsere vom von war warum was wenn wer werden wie wieso wir wird wo wollen zu zum zur zwei
  alors au aux avec ce ces cette chez comment dans des du elle est et être faire fait il ils je la le les leur mais mes
  mon nos notre nous ou où par pas peut plus pour pourquoi quand que quel quelle qui sans ses son sont sur un une vous
  al algo como cómo con cuando cuándo del desde dónde el ella en entre es esta este hacer hay las lo los más mi muy nada
  nuestra nuestro para pero por porque puede qué quiero se si sin sobre su también tengo todo un una usar
  anche che chi ci come cosa cui da dal della delle di e gli i il nel nella non o per più perché quale quando quello
  senza si sono sul una uno
  ao aos as até com da das de dos ela ele em essa esse eu isso já mais mas meu minha muito na nas no nos nosso não os
  ou para pelo por quando que quem se sem seu são também tem um uma você
  aan als bij dat de deze die dit een en er geen heb het hoe ik in is je kan maar met mijn moet naar niet nog om ons
  onze ook op over te tot uit van voor waarom wat we wel wij worden zijn zonder`.split(/\s+/),
);
const ENGLISH = new Set(
  `a about all an and any are as at be been but by can could did do does for from had has have how i if in into is it its
  just me my no not of on one only or our out over should so than that the their them then there they this to too two up
  us use was we were what when where which who why will with would you your`.split(/\s+/),
);
// Such as are words of both, or of both and of our trade: they tell nothing.
const EITHER = new Set(
  `${[...FOREIGN].filter((word) => ENGLISH.has(word)).join(' ')} bin com come con die dies es mit op os per plus pod son
  war`.split(/\s+/),
);

/** Whether a text may be English; a name or two belong to no language and may be. */
export function isEnglish(text: string): boolean {
  const words =
    text
      .slice(0, 2000)
      .toLowerCase()
      .match(/[\p{L}']+/gu) ?? [];
  const letters = words.join('');
  const latin = letters.match(/[a-z']/g)?.length ?? 0;
  if (letters.length - latin > letters.length / 3) {
    return false;
  }
  const telling = words.filter((word) => !EITHER.has(word));
  const english = telling.filter((word) => ENGLISH.has(word)).length;
  const foreign = telling.filter((word) => FOREIGN.has(word)).length;
  return foreign <= english;
}
