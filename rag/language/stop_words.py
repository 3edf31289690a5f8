"""Stop words by language: function words, question words and "please".

Accents are ignored. Languages without a list lose little, because very frequent words have almost
no weight (IDF).
"""

from __future__ import annotations

_LISTS = {
    "en": """
        a about all also am an and any anyone anything are aren as at be because been being between
        both but by can cannot could couldn did didn do does doesn doing don each either else every
        explain few for from had has hasn have haven having he her here him his how however i if in
        into is isn it its itself just ll many may me mean means might more most much must my
        neither no nor not now of off on once one only or other our out over own please same shall
        she should shouldn so some someone something such tell than that the their them then there
        these they this those through to too under until up us ve very was wasn we well were weren
        what whatever when where whether which while who whom whose why will with without won would
        wouldn yes yet you your""",
    "de": """
        aber als am an auch auf aus bei bin bist bitte da damit dann das dass dem den denn der des
        die dies diese diesem diesen dieser dieses doch durch ein eine einem einen einer eines er
        es etwas für gibt haben hat ich ihr im in ins ist ja kann kannst kein keine können man mein
        meine mich mir mit muss nach nicht noch nur ob oder ohne sein sich sie sind so soll sollte
        um und uns unter viele vom von vor war warum was welche welcher welches wenn wer werden wie
        wieso wir wird wo wozu zu zum zur über""",
    "es": """
        a al algo aquí así aunque cada como con cuál cuáles cuándo cuánto cuántos de debe debo del
        desde donde dos el ella en entre era es esa ese eso esta este esto estos están favor fue ha
        hasta hay la las le lo los me mi muy más nada no nos o otra otro para pero por porque puede
        puedo que quién se ser si sin sobre solo son su sus también te tiene todo todos tu un una
        uno y ya yo""",
    "fr": """
        a afin ai alors après au aussi autre aux avant avec avoir c ce cela ces cet cette chaque
        combien comme comment d dans de des dois dois-je doit donc du elle elles en est est-ce et
        faire fait faut faut-il il ils j je l la le les leur leurs lui m ma mais mes moi mon même n
        ne non nos notre nous on ont ou par pas peut peut-on peux plaît plus pour pourquoi puis-je
        qu quand que quel quelle quelles quels qui quoi s sa sans se ses si son sont sous sur t ta
        te toi ton tous tout toute très tu un une vers vos votre vous y être""",
    "it": """
        a ad agli ai al alla alle anche c che chi ci come con cos cosa così d da dai dal dalla
        degli dei del dell della delle deve devo di dove e ed fa favore gli ha ho i il in io l la
        le lo loro ma mi mio nei nel nell nella nelle no non o ogni per perché però più posso può
        qual quale quali quando quanti quanto quello questa queste questi questo se senza si sia
        sono su sua sul sulla suo tra tu tutti tutto un una uno vi""",
    "nl": """
        aan al alle alles als alsjeblieft ben bij dan dat de der deze die dit doen doet door dus
        een en er gaat geen had heb hebben heeft het hier hij hoe hoeveel hun iemand iets ik in is
        ja je jij jou jouw kan kun kunnen maar mag me meer men met mij mijn moet moeten na naar
        niet nog nooit nu of om ons onze ook op over staat te tegen tot u uit uw van veel voor waar
        waarom wanneer was wat we weer wel welk welke werd wie wij wil word worden wordt zal ze
        zich zij zijn zit zo zonder zou zullen""",
    "pt": """
        a ao aos aquele aquilo as até cada com como da das de dela dele deles depois deve devo do
        dos e ela ele eles em entre era essa esse esta este eu favor foi há isso isto já lhe mais
        mas me mesmo meu minha muito na nas nem no nos não o onde os ou para pela pelo pelos pode
        por porque posso quais qual quando quanto quantos que quem se sem ser seu seus sobre sua
        suas são só também tem ter tu tudo um uma uns vai você""",
    "tr": """
        acaba ama bana ben bir biz bu da daha de değil diye en gibi hangi hangisi her ile ise için
        kadar kaç ki kim lütfen mi mu mü mı nasıl ne neden nedir nerede niye niçin olarak sen siz
        ve veya ya çok şey şu""",
    "id": """
        ada adalah agar anda antara apa apakah atau bagaimana bisa dalam dan dapat dari dengan di
        harus ini itu jika juga kapan karena ke kenapa lain mana mengapa oleh pada saja saya
        sebagai siapa tentang tidak tolong untuk yang""",
    "ru": """
        а без бы был была были быть в вам вас все всё вы где да для до его если есть еще же за
        зачем здесь и из или им их к как какая какие какой когда который кто куда ли между меня мне
        мной можно мы на над надо нам нас не него нет ни но ну нужно о об он она они оно от откуда
        по под пожалуйста почему при про с сам свой сколько со так также такой там то того тоже
        только том тот ты у уже чего чем что чтобы эта эти это этот я""",
    "ar": """
        أم أن أنا أنت أو أي أين إذا إلى إن التي الذي بعد بل بين ثم حتى حيث ذلك على عن عند عندما غير
        في قبل قد كان كانت كل كم كيف لا لكن لم لماذا لن له لها ليس ما ماذا متى مع من هذا هذه هل هم
        هناك هو هي و يا يمكن""",
    "fa": """
        آن آیا از است اما او این با بر برای به تا تو در را شد شود ما من می نه نیست ها هر هم و چرا
        چطور چند چه چگونه چی چیست کجا کدام کرد کند کنم که کی یا یک""",
    "ur": """
        آپ اس اسے ان اور اگر ایک بھی تو تک تھا تھی تھے جا جب جس جو سب سکتا سکتی سکتے سے طرح لیے
        مجھے میرا میں نہ نہیں نے وہ پر کا کب کر کرتا کرتے کرنا کرنے کریں کس کو کوئی کون کونسا کہ
        کہاں کی کیا کیسا کیسی کیسے کیوں کے گا گی گے ہم ہو ہوا ہوتا ہوتی ہوتے ہوں ہی ہیں ہے یا یہ""",
    "hi": """
        अगर आप इन इस इसका इसे उन उस उसे एक और कब कर करता करते करना करने करें कहाँ कहां का कि कितना
        कितने किस किसी की कुछ के कैसा कैसे को कोई कौन क्या क्यों जब जो तक तो था थी थे नहीं ने पर भी
        मुझे में मेरा मैं यदि यह या ये लिए वह वे सकता सकती सकते से हम ही हुआ हूँ हूं है हैं हो होता
        होती होते""",
    "zh": """
        什么 甚么 什麼 怎么样 怎样 怎么 怎麼 怎樣 如何 为什么 為什麼 为何 哪里 哪裡 哪些 哪个
        哪個 谁 誰 吗 嗎 呢 请问 請問 可以 能否 多少""",
    "ja": """
        何ですか なんですか ですか ますか ください とは どのように どうやって どうすれば なぜ どこ
        どれ いつ""",
    "ko": """
        무엇 무엇인가요 무엇입니까 어떻게 왜 어디 어디서 언제 누가 누구 어떤 있나요 하나요 인가요
        입니까""",
    "th": """
        อะไร อย่างไร ยังไง ทำไม ที่ไหน เมื่อไร ใคร ไหม หรือไม่""",
}

STOP_WORDS: dict[str, frozenset[str]] = {
    language: frozenset(words.split()) for language, words in _LISTS.items()
}
