// Texts of the assistant's dialog by language. To add a language, add a block here.

const en = {
  note: 'An assistant that speaks MCP can search this book itself and cite it.',
  address: 'Address for any assistant (MCP)',
  copyAddress: 'Copy the address',
  add: 'Add it with one click',
  copyCommand: 'Copy the command',
  page: 'This page',
  book: 'This book',
  open: 'Open in {name}',
  copyPage: 'Copy this page as Markdown',
  prompt: 'Read {url} and help me with my questions about it.',
};

const de = {
  note: 'Ein Assistent, der MCP spricht, kann dieses Buch selbst durchsuchen und daraus zitieren.',
  address: 'Adresse für jeden Assistenten (MCP)',
  copyAddress: 'Adresse kopieren',
  add: 'Mit einem Klick hinzufügen',
  copyCommand: 'Befehl kopieren',
  page: 'Diese Seite',
  book: 'Dieses Buch',
  open: 'In {name} öffnen',
  copyPage: 'Diese Seite als Markdown kopieren',
  prompt: 'Lies {url} und hilf mir bei meinen Fragen dazu.',
};

const es = {
  note: 'Un asistente que habla MCP puede buscar en este libro y citarlo.',
  address: 'Dirección para cualquier asistente (MCP)',
  copyAddress: 'Copiar la dirección',
  add: 'Añadirlo con un clic',
  copyCommand: 'Copiar el comando',
  page: 'Esta página',
  book: 'Este libro',
  open: 'Abrir en {name}',
  copyPage: 'Copiar esta página como Markdown',
  prompt: 'Lee {url} y ayúdame con mis preguntas sobre ello.',
};

const fr = {
  note: 'Un assistant qui parle MCP peut chercher dans ce livre et le citer.',
  address: 'Adresse pour tout assistant (MCP)',
  copyAddress: 'Copier l’adresse',
  add: 'L’ajouter en un clic',
  copyCommand: 'Copier la commande',
  page: 'Cette page',
  book: 'Ce livre',
  open: 'Ouvrir dans {name}',
  copyPage: 'Copier cette page en Markdown',
  prompt: 'Lis {url} et aide-moi à répondre à mes questions à ce sujet.',
};

const ar = {
  note: 'يستطيع المساعد الذي يدعم MCP أن يبحث في هذا الكتاب بنفسه ويستشهد به.',
  address: 'العنوان لأي مساعد (MCP)',
  copyAddress: 'نسخ العنوان',
  add: 'الإضافة بنقرة واحدة',
  copyCommand: 'نسخ الأمر',
  page: 'هذه الصفحة',
  book: 'هذا الكتاب',
  open: 'الفتح في {name}',
  copyPage: 'نسخ هذه الصفحة بصيغة Markdown',
  prompt: 'اقرأ {url} وساعدني في أسئلتي عنه.',
};

const ur = {
  note: 'MCP والا اسسٹنٹ اس کتاب میں خود تلاش کر سکتا ہے اور اس کا حوالہ دے سکتا ہے۔',
  address: 'ہر اسسٹنٹ کے لیے پتا (MCP)',
  copyAddress: 'پتا نقل کریں',
  add: 'ایک کلک میں شامل کریں',
  copyCommand: 'کمانڈ نقل کریں',
  page: 'یہ صفحہ',
  book: 'یہ کتاب',
  open: '{name} میں کھولیں',
  copyPage: 'یہ صفحہ Markdown میں نقل کریں',
  prompt: '{url} پڑھیں اور اس کے بارے میں میرے سوالوں میں مدد کریں۔',
};

const he = {
  note: 'עוזר שתומך ב־MCP יכול לחפש בספר הזה בעצמו ולצטט ממנו.',
  address: 'כתובת לכל עוזר (MCP)',
  copyAddress: 'העתקת הכתובת',
  add: 'הוספה בלחיצה אחת',
  copyCommand: 'העתקת הפקודה',
  page: 'הדף הזה',
  book: 'הספר הזה',
  open: 'פתיחה ב־{name}',
  copyPage: 'העתקת הדף הזה כ־Markdown',
  prompt: 'קראו את {url} ועזרו לי בשאלות עליו.',
};

export const TEXTS = { en, de, es, fr, ar, ur, he };
