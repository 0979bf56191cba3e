"""A comment's clean text cut into claims, and whether a text claims anything at all.

A claim is a sentence or two that a reader could agree or disagree with; it is what is embedded. The input
is what `models.text` cleaned. Sentence boundaries come from `sentencex`; which sentences belong together is
decided here.
"""

import re
from collections.abc import Iterator

import sentencex

__all__ = ["MAX_CLAIMS", "WHOLE_COMMENT_WORDS", "asserts", "sentences", "split_claims", "split_sentences"]

WHOLE_COMMENT_WORDS = 60  # a comment this short makes one point, in however many sentences
MAX_CLAIMS = 12  # per comment; bounds what one author can weigh and cost
_FRAGMENT_WORDS = 5  # fewer: no claim of its own, but the tail of one ("C'est faux.")
_LONG_WORDS = 60  # a sentence longer than this lists several claims
_PILE_WORDS = 2 * _LONG_WORDS  # a claim this long takes no more fragments: a list of them has no end

_SAYS_SOMETHING = re.compile(r"[^\W_]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
# sentencex knows most abbreviations; these it takes for the end of a French sentence: titles and initials
# always, and what counts something ("art. 5") before a figure only, since "du grand art." ends one.
_OPEN_END = re.compile(
    r"(?:^|[\s('’«\"-])(?:M|MM|Mme|Mmes|Mlle|Mgr|Me|Dr|Pr|St|Ste|cf|resp|p\. ?ex|[A-Z]\.-[A-Z])\. ?$"
    r"|^[A-ZÀ-Ý]\. ?$"
)
_OPEN_BEFORE_FIGURE = re.compile(
    r"(?:^|[\s('’])(?:art|al|chap|fig|p|pp|vol|env|min|max|nb|no)\. ?$", re.IGNORECASE
)
_MAX_ABBREVIATION = 20  # characters; longer than any of the above
# What cannot begin a sentence: closing punctuation, or the second half of "J.-C.".
_CLOSING_START = re.compile(r"[»”’)\]},;:!?…%]|\.(?!\w)|-\w")
_STRONG_PUNCTUATION = re.compile(r"(?<=[;:])\s+")


def split_claims(text: str, language: str) -> list[str]:
    """The claims of a clean text, in order; their words together are the words of the text.

    language: ISO 639-1 or "und"; one that has no rules of its own is split as English is.
    A text of up to `WHOLE_COMMENT_WORDS` words is one claim. One of more than `MAX_CLAIMS` is divided into
    that many passages of about equal length: every part of a long comment is heard, where cutting off or
    piling up the rest would lose its end in the embedder. Empty only if the text has no letter or digit.
    Scripts that put no space between words have no short claims here: such a line is one.
    The easy mistake is to count claims instead of comments: see mention in the glossary.
    """
    if _SAYS_SOMETHING.search(text) is None:
        return []
    if _words(text) <= WHOLE_COMMENT_WORDS:
        return [_folded(text)]
    return split_sentences(text, language)


def split_sentences(text: str, language: str) -> list[str]:
    """Sentences of a clean text, with the fragments beside them; at most `MAX_CLAIMS`, else passages."""
    return _at_most(MAX_CLAIMS, _join_fragments(sentences(text, language)))


def sentences(text: str, language: str) -> list[str]:
    """The sentences of a clean text, line by line; language: as for `split_claims`."""
    return [part for line in text.split("\n") for part in _sentences(_folded(line), language)]


def _folded(text: str) -> str:
    return " ".join(text.split())


def _words(text: str) -> int:
    """Words between spaces; punctuation set apart, as in French, is none."""
    return sum(1 for word in text.split() if _SAYS_SOMETHING.search(word))


def _sentences(line: str, language: str) -> list[str]:
    """Sentences of one line, long ones cut at strong punctuation."""
    whole: list[str] = []
    for part in _segments(line, language):
        if whole and _continues(whole[-1], part):
            whole[-1] += part
        else:
            whole.append(part)
    return [piece for sentence in whole for piece in _cut_long(sentence.strip())]


def _continues(before: str, after: str) -> bool:
    """Whether a boundary between these two is a mistake of the splitter."""
    end = before[-_MAX_ABBREVIATION:]  # a search of all that was joined so far would cost its square
    if not end.endswith(" ") or _OPEN_END.search(end) or _CLOSING_START.match(after):
        return True  # without a space it is as often a name ("ASP.NET") as a slip
    return after[0].isdigit() and _OPEN_BEFORE_FIGURE.search(end) is not None


def _segments(line: str, language: str) -> Iterator[str]:
    """What sentencex makes of a line; only spaces, no other white space, may be in it.

    It would stop the process on "J" + no-break space + "." (a slice inside a character, 1.0.32), and it
    refuses surrogates; `_folded` sees to the first, a stand-in of the same length to the second.
    """
    start = 0
    for segment in sentencex.segment(language, _SURROGATE.sub("_", line)):
        yield line[start : start + len(segment)]
        start += len(segment)


def _cut_long(sentence: str) -> list[str]:
    """The sentence; if it is long, its parts that end in ";" or ":", as many in one as are not long."""
    if _words(sentence) <= _LONG_WORDS:
        return [sentence]
    parts: list[str] = []
    for part in _STRONG_PUNCTUATION.split(sentence):
        if parts and _words(parts[-1]) + _words(part) <= _LONG_WORDS:
            parts[-1] += f" {part}"
        else:
            parts.append(part)
    return parts


def _join_fragments(parts: list[str]) -> list[str]:
    """Sentences too short to be a claim go to the one before, those at the start to the one after."""
    claims: list[list[str]] = []
    size = 0  # words of the last claim
    for sentence in parts:
        words = _words(sentence)
        if claims and (size < _FRAGMENT_WORDS or _is_tail(words, size)):
            claims[-1].append(sentence)
            size += words
        else:
            claims.append([sentence])
            size = words
    return [" ".join(claim) for claim in claims]


def _is_tail(words: int, words_before: int) -> bool:
    return words == 0 or (words < _FRAGMENT_WORDS and words_before < _PILE_WORDS)


def _at_most(limit: int, claims: list[str]) -> list[str]:
    """The claims, or if there are more, `limit` groups of neighbours with about the same number of words."""
    if len(claims) <= limit:
        return claims
    sizes = [_words(claim) for claim in claims]
    total, before = sum(sizes), 0
    groups: list[list[str]] = [[] for _ in range(limit)]
    for claim, size in zip(claims, sizes, strict=True):
        groups[limit * before // total].append(claim)
        before += size
    return [" ".join(group) for group in groups if group]


# --- texts that claim nothing
#
# Precision before recall: a claim wrongly dropped is a voice lost, chatter wrongly kept ends in no
# narrative anyway. So every rule is closed: one word that it does not know, and the text claims something.

_MAX_PHATIC_WORDS = 15
_MAX_QUESTION_WORDS = 12
_MAX_REPORT_WORDS = 25

# Thanks, greetings, laughter, agreement in a word, and what stands beside them ("merci pour l'article",
# "good work everyone"). No negation, no verb that states anything, no name: a text of nothing else claims
# nothing.
_PHATIC_WORDS = (
    "merci mercis remerciements bonjour bonsoir salut coucou hello hi hey bye ciao bienvenue welcome bravo"
    " félicitations félicitation congrats congratulations chapeau kudos gg cheers thanks thank thx tx ty tyvm"
    " please svp stp plz pls ok okay oki yep yes yeah yup oui ouais"
    " lol lmao rofl mdr ptdr xd xptdr rip omg wtf wow waouh oups oops bof meh ouf argh oh ah eh hé hein"
    " first preums prems second deuz"
    " idem pareil same this ditto exactement exactly agreed absolument absolutely totalement totally"
    " clairement indeed voilà up bump upvoted noted noté sorry désolé pardon mea culpa"
    " à a au aux de des du d l le la les un une cet cette ce ces et ou en pour par sur tes ta ton ses mes mon"
    " vos votre vous toi te t tout toute tous toutes monde encore beaucoup bien bcp infiniment mille grand"
    " très trop si super excellent excellente bon bonne belle beau chouette sympa"
    " the that these an and or for of to you your all everyone guys folks team so very much many lot lots"
    " really great nice good awesome lovely cool"
    " article articles billet post sujet partage info infos information informations lien liens réponse"
    " réponses précision précisions correction explication explications retour retours conseil tuto test"
    " vidéo journée soirée soir matin nuit week end weekend année dimanche vacances courage chance"
    " sharing share link links answer answers reply replies clarification explanation heads tip tips"
    " update piece read write writeup work job day night morning evening luck rédaction équipe auteur author"
    " avance advance"
)
_PHATIC = frozenset(_PHATIC_WORDS.split())
_LAUGHTER = re.compile(r"(?:l+o+l+|m+d+r+|p+t+d+r+|(?:h+[aeiou]+){2,}h*|(?:a+h+){2,}a*|x+d+|h+m+|merci+)")
_ADDRESSEE = re.compile(r"@[\w.-]+")
_WORD = re.compile(r"[^\W\d_]+")

# A request for a source or for help. Most other questions may claim ("quelqu'un croit encore que…?").
_SOUGHT = (
    r"(?:sources?|liens?|links?|références?|references?|citations?|tutos?|tutorial|alternatives?|nouvelles|news"
    r"|eta|infos?|date|screenshots?|captures?)"
)
_SOMEONE = (
    r"(?:est-ce que |does |do |has |is )?(?:quelqu'un|qqn|qq'un|anyone|anybody|someone|somebody)"
    r"(?: here| ici| else| d'autre)?"
)
_HAVE = (
    "(?:vous avez|tu as|t'as|do you have|have you|is there|il y a|y a|got"
    f"|{_SOMEONE} (?:a|aurait|have|has|got))"
)
_REQUEST = re.compile(
    rf"(?:{_HAVE} )?(?:(?:une?|des|de l'|la|le|an?|any|the) ?)?{_SOUGHT}"
    r"(?: (?:svp|stp|please|pls|plz|merci|thanks|then|là-dessus|(?:pour|for|on|sur) (?:ça|this|that)))* ?\?+"
    rf"|{_SOMEONE} (?:sait|saurait|knows?)(?:-(?:il|elle|on))?"
    r" (?:si|où|quand|comment|if|whether|where|when|how)\b[^.!?;:]*\?+"
    rf"|{_SOMEONE}(?: (?:a|have|has|déjà|already|actually))* (?:testé|essayé|tried)(?: [\w'-]+){{0,3}} ?\?+",
    re.IGNORECASE,
)
# A note to the editors names the place, or says at once what is wrong. Not "coquille vide" (an empty
# shell), nor "typos in spam": those are claims.
_TYPO_REPORT = re.compile(
    r"(?:(?:il y a|y a|attention|there's|there is|you have|vous avez|petite?s?|une?|small|tiny|minor|little"
    r"|quick|an?|note)[\s:,]+)*"
    r"(?:coquilles?|typos?|fautes? (?:de frappe|d'orthographe|d'accord)|spelling mistake)"
    r"(?: ?:| (?:dans|au|à|en|in|on)(?: (?:le|la|the|your|votre)| l'| ?)(?: ?\w+)? ?"
    r"(?:titre|title|headline|chapô|chapo|intro|introduction|article|paragraphe?|phrase|sentence|légende"
    r"|caption|line|ligne)\b)",
    re.IGNORECASE,
)
_MODERATED = re.compile(
    r"[\[(*]*(?:deleted|removed|flagged|supprimé|modéré|censuré"
    r"|(?:ce |cet |this |votre |your )?(?:commentaire|message|comment|post) (?:a été |has been |was )?"
    r"(?:supprimé|modéré|masqué|effacé|deleted|removed|hidden|flagged)"
    r"(?: (?:par|by) [\w' ]{1,40})?)[\])*.]*",
    re.IGNORECASE,
)


def asserts(text: str) -> bool:
    """False for a text that plainly claims nothing: thanks, greetings, laughter, "+1", "first", emoji, a
    request for a link, a typo report, a notice of moderation. True whenever in doubt.

    text: a clean comment or claim, French or English; in other languages only texts without any letter are
    recognised. The easy mistake is to take True for a claim: it says only that the text may be one.
    """
    folded = _folded(_ADDRESSEE.sub(" ", text)).replace("’", "'")
    words = _WORD.findall(folded.lower())
    if not words:
        return False
    return not (_is_phatic(words) or _is_request(folded, words) or _is_notice(folded, words))


def _is_phatic(words: list[str]) -> bool:
    return len(words) <= _MAX_PHATIC_WORDS and all(
        word in _PHATIC or _LAUGHTER.fullmatch(word) is not None for word in words
    )


def _is_request(text: str, words: list[str]) -> bool:
    return len(words) <= _MAX_QUESTION_WORDS and _REQUEST.fullmatch(text) is not None


def _is_notice(text: str, words: list[str]) -> bool:
    if _MODERATED.fullmatch(text):
        return True
    return len(words) <= _MAX_REPORT_WORDS and _TYPO_REPORT.match(text) is not None
