"""Words that a question is asked with but not about, by language.

They are left out of questions only. Languages without a list lose little: a word that is
everywhere weighs next to nothing (IDF). In scripts without spaces the entries are cut out
of the question wherever they occur.
"""

from __future__ import annotations

_LISTS = {
    "en": """
        a about all also am an and any anybody anyone anything are as at be because been
        being between both but by can cannot could describe did do does doing don done each
        either else ever every explain few for from get gets give given go going got had
        has have having he her here hers him his how however i if in into is isn it its
        itself just kind let like lot make many may me mean means might mine more most
        much must my neither no nor not now of off often on once one only or other
        others ought our ours out over own people please possible quite rather really
        same say says shall she should show so some somebody someone something such tell
        than that the their theirs them then there these they thing things this those
        through thus to too under until up upon us very want was way ways we well were
        what whatever when where whether which while who whom whose why will with within
        without would yes yet you your yours aren couldn didn doesn hadn hasn haven
        mustn needn shouldn wasn weren won wouldn""",
    "de": """
        aber als am an auch auf aus bei bin bist da damit dann das dass dein dem den
        denn der des die dies diese diesem diesen dieser dieses doch dort du durch ein
        eine einem einen einer eines er es etwas für gegen gibt haben hat hatte hier ich
        ihr im in ins ist ja kann kein keine können man mein mich mir mit muss nach
        nicht noch nur ob oder ohne sein sich sie sind so soll sollte über um und uns
        unter viel viele vom von vor war warum was wegen welche welchem welchen welcher
        welches wenn wer werden weshalb wie wieso wieviel wird wir wo wodurch wofür
        woher wohin womit wozu zu zum zur""",
    "es": """
        a al algo ante aquí así aun aunque cada como cómo con cosa cual cuál cuales
        cuáles cuando cuándo cuanto cuánto cuantos cuántos de debe debo del desde donde
        dónde dos el él ella en entre era es esa ese eso esta está estas este esto estos
        fue ha hace hacer hacia hasta hay la las le les lo los más me mi mientras muy
        nada no nos o otra otro para pero poco por porque puede puedo que qué quien
        quién se sea ser si sí sin sobre solo son su sus también tan te tiene todo todos
        tu un una uno unos y ya yo""",
    "fr": """
        a afin ai ainsi alors après au aucun aussi autre aux avant avec avoir c ce cela
        celle celui ces cet cette chaque chez combien comme comment d dans de des deux
        doit donc dont du elle elles en encore entre est et être eu faire fait faut il
        ils j je jusqu l la le les leur leurs lorsque lui m ma mais même mes moi moins
        mon n ne ni non nos notre nous on ont ou où par parce pas peu peut peux plus
        pour pourquoi puis qu quand que quel quelle quelles quels qui quoi s sa sans se
        ses si soit son sont sous sur t ta te tes toi ton tous tout toute très tu un une
        vers vos votre vous y""",
    "it": """
        a ad agli ai al alla alle anche ancora c che chi ci come con cosa così da dagli
        dai dal dalla dalle degli dei del dell della delle di dopo dove due e è ed era
        fa fare fino gli ha hanno ho i il in io l la le lei lo loro lui ma me mi mio
        molto ne nei nel nella nelle no noi non o ogni ora per perché però più poi può
        quale quali quando quanti quanto quel quella quello questa queste questi questo
        qui se senza si sia sono sta su sua sue sul sulla suo tra tu tutti tutto un una
        uno vi voi""",
    "nl": """
        aan al als bij dan dat de der deze die dit doe doen door dus een en er geen haar
        had heb hebben heeft hem het hier hij hoe hun ik in is ja je kan kun kunnen maar
        me meer men met mij mijn moet na naar niet nog nu of om omdat onder ons ook op
        over te tegen toch toen tot u uit uw van veel voor waar waarom wanneer wat we
        wel welk welke werd wie wil wordt zal ze zich zij zijn zo zonder zou""",
    "pt": """
        a à ao aos apenas aquela aquele aquilo as às até cada com como da das de dela
        dele deles depois do dos e é ela ele eles em entre era essa esse esta está este
        eu faz fazer foi há isso isto já lhe mais mas me mesmo meu minha muito na não
        nas nem no nos nós num o onde os ou para pela pelas pelo pelos por porque porquê
        pode posso qual quais quando quanto quantos que quê quem são se seja sem ser seu
        seus só sobre sua suas também te tem têm ter teu tu tudo um uma umas uns vai
        você""",
    "ru": """
        а без более бы был была были было быть в вам вас ведь во вот все всё вы где да
        даже для до его ее её если есть еще ещё же за зачем здесь и из или им их к как
        какая какие какой каком когда кого которая которые который кто куда ли между
        меня мне много можно мой мы на над надо нам нас не него нее нет ни них но ну о
        об он она они оно от откуда по под после потом потому почему при про с сам свой
        себя сколько со так также такой там тебя тем то того тоже только том тот ты у
        уже чего чей чем что чтобы эта эти это этот я""",
    "tr": """
        acaba ama ancak bana bazı ben beni bir biz bu çok da daha de değil diye en gibi
        hangi hangisi hem hep her hiç için ile ise kaç kadar ki kim kime kimin mi mı mu
        mü nasıl ne neden nedir nerede nereye niçin niye o olan olarak onlar sen siz şey
        şu ve veya ya yani""",
    "id": """
        ada adalah agar akan aku anda antara apa apakah atau bagaimana bagi bahwa banyak
        beberapa berapa bisa boleh dalam dan dapat dari di dia hanya harus ia ini itu
        jika juga kalau kami kamu kapan karena ke kenapa kepada kita lagi lain mana
        manakah mengapa mereka oleh pada saja sangat saya sebagai seperti siapa sudah
        tentang tetapi tidak untuk yang""",
    "ar": """
        إلى الذي التي أم أن أنا أو أي أين إن إذا إنه أنت بعد بل بين ثم حتى حيث ذلك سوف
        على عن عند عندما غير في قبل قد كان كانت كل كم كيف لا لكن لم لماذا لماذا لن له
        لها ليس ما ماذا متى مع من منذ نحن هذا هذه هل هم هناك هو هي و وما يا يكون يمكن""",
    "fa": """
        آن آنها آیا از اگر است اما او این با بر برای به بود پس تا تو چرا چطور چگونه چند
        چه چی چیست خود در را شد شما شود کجا کدام کرد کردن کند کنم که کی ما من می نه نیست
        ها هر هم همه و ولی یا یک""",
    "ur": """
        آپ اس اسے اگر ان اور ایک بھی بہت پر پھر تا تک تو تھا تھی تھے جا جب جس جو ساتھ سب
        سکتا سکتی سکتے سے طرح کا کب کر کرتا کرتی کرتے کرنا کرنے کریں کس کو کون کونسا
        کونسی کوئی کہ کہاں کی کیا کیسا کیسی کیسے کیوں کے گا گی گے لیے مجھے میں میرا نہ
        نہیں نے وہ ہم ہو ہوا ہوتا ہوتی ہوتے ہوں ہی ہے ہیں یا یہ""",
    "hi": """
        अगर आप इन इस इसका इसके इसे उन उस उसका उसके उसे एक ऐसा और कब कर करता करती करते
        करना करने करें कहाँ कहां का कि कितना कितनी कितने किस किसी की कुछ के कैसे कैसा
        कैसी को कोई कौन कौनसा क्या क्यों जब जो तक तो था थी थे ने नहीं पर फिर बहुत भी
        मुझे में मेरा मैं यदि यह या ये लिए वह वे सकता सकती सकते से हम ही हुआ हूँ हूं है
        हैं हो होता होती होते""",
    "zh": """
        什么 甚么 什麼 怎么样 怎样 怎么 怎麼 怎樣 如何 为什么 為什麼 为何 哪里 哪裡 哪些
        哪个 哪個 谁 誰 吗 嗎 呢 请问 請問 可以 能否 多少""",
    "ja": """
        何ですか なんですか ですか ますか ください とは どのように どうやって どうすれば
        なぜ どこ どれ いつ""",
    "ko": """
        무엇 무엇인가요 무엇입니까 어떻게 왜 어디 어디서 언제 누가 누구 어떤 얼마나 있나요
        하나요 합니까 인가요 입니까""",
    "th": """
        อะไร อย่างไร ยังไง ทำไม ที่ไหน เมื่อไหร่ เมื่อไร ใคร ไหม หรือไม่""",
}

STOP_WORDS: dict[str, frozenset[str]] = {
    language: frozenset(words.split()) for language, words in _LISTS.items()
}
