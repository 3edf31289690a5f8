// Character references: numbers, and the names of HTML 4 and of accented letters.

const pairs = (text) => new Map([...text.matchAll(/([a-z]+\d*)([^a-z\d])/gi)].map(([, name, sign]) => [name, sign]));

const SIGNS = pairs(
  'amp&lt<gt>quot"apos\'excl!num#dollar$percnt%lpar(rpar)ast*plus+comma,period.sol/colon:semi;equals=quest?' +
    'commat@lsqb[lbrack[bsol\\rsqb]rbrack]Hat^lowbar_grave`lcub{lbrace{verbar|vert|rcub}rbrace}' +
    'nbsp\xa0ensp\u2002emsp\u2003thinsp\u2009shy\xadzwnj\u200czwj\u200dlrm\u200erlm\u200fndash–mdash—horbar―' +
    'lsquo‘rsquo’sbquo‚ldquo“rdquo”bdquo„laquo«raquo»lsaquo‹rsaquo›hellip…bull•middot·dagger†Dagger‡' +
    'permil‰prime′Prime″euro€pound£yen¥cent¢curren¤sect§para¶copy©reg®trade™deg°plusmn±times×divide÷' +
    'minus−not¬microµfrac12½frac14¼frac34¾sup1¹sup2²sup3³ordfªordmºiexcl¡iquest¿szligßaeligæAEligÆ' +
    'oeligœOEligŒoslashøOslashØethðETHÐthornþTHORNÞinodotılstrokłLstrokŁ' +
    'rightarrow→leftarrow←uparrow↑downarrow↓Rightarrow⇒Leftarrow⇐leq≤geq≥approx≈checkmark✓hyphen‐dash‐' +
    'larr←uarr↑rarr→darr↓harr↔lArr⇐uArr⇑rArr⇒dArr⇓hArr⇔crarr↵forall∀part∂exist∃empty∅nabla∇isin∈' +
    'notin∉ni∋prod∏sum∑radic√prop∝infin∞ang∠and∧or∨cap∩cup∪int∫there4∴sim∼cong≅asymp≈ne≠equiv≡le≤ge≥' +
    'sub⊂sup⊃nsub⊄sube⊆supe⊇oplus⊕otimes⊗perp⊥sdot⋅lceil⌈rceil⌉lfloor⌊rfloor⌋lang⟨rang⟩loz◊' +
    'spades♠clubs♣hearts♥diams♦star☆starf★check✓cross✗',
);
const ACCENTS = pairs(
  'grave\u0300acute\u0301circ\u0302tilde\u0303macr\u0304breve\u0306dot\u0307uml\u0308ring\u030adblac\u030bcaron\u030ccedil\u0327ogon\u0328',
);
const GREEK =
  'alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigmaf sigma tau upsilon phi chi psi omega'.split(
    ' ',
  );

function named(name) {
  const greek = GREEK.indexOf(name.toLowerCase());
  if (greek >= 0) return String.fromCharCode((name < 'a' ? 913 : 945) + greek);
  const accent = ACCENTS.get(name.slice(1));
  return SIGNS.get(name) ?? (accent && (name[0] + accent).normalize());
}

/** Replace character references by their characters; unknown names stay as they are. */
export function decode(text) {
  return text.replace(/&(?:#(\d{1,7})|#x([\da-f]{1,6})|([a-z][a-z\d]{1,15}));/gi, (all, dec, hex, name) => {
    if (name) return named(name) ?? all;
    const code = dec ? Number(dec) : Number.parseInt(hex, 16);
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : '\ufffd';
  });
}
