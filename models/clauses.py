"""The clauses of a comment that could stand alone, and how well each would read as a statement.

A clause is a sentence, or a part of one between strong punctuation or before a conjunction, without the
openers, hedges and addresses that say nothing ("Franchement,", "I think that", "@name"). Nothing is parsed:
closed word lists of French and English tell a statement from a fragment, and other languages do without.
Used by `models.labels`.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from models.claims import sentences

__all__ = ["MAX_CHARS", "Clause", "Form", "clauses_of", "form_of"]

MAX_CHARS = 90  # of a clause: what a table or a chart's legend shows
MIN_CHARS = 12
_MIN_WORDS = 3
_READ_CHARS = 2_000  # of a text; claims are far shorter
_MAX_SENTENCES = 24
_MAX_PARTS = 12  # of a sentence
_OPENER_CHARS = 80
_MAX_STRIPS = 4  # openers before one clause ("Oui, mais bon, je pense que")

_QUOTED_LINE = re.compile(r"^\s*>[^\n]*$", re.MULTILINE)
_ASIDE = re.compile(r"\s?[(\[][^()\[\]]{0,200}[)\]]")
_SPACED_MARK = re.compile(r"\s+([,.)\]…])")
_EDGE = " \t,;:.…–—-*_/|•·!?"
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_FIRST_WORD = re.compile(r"[^\W_]+['’]?")

# Where a sentence can be cut. The second group is the weaker: what follows it may need what stood before.
_CUT = re.compile(
    r"\s?(?:[;…]|:(?=\s)|\.{3}|\s[–—-]{1,3}\s|—|,(?= (?:mais|or|donc|car|et|puis|sinon|parce que|puisque"
    r"|alors que|tandis que|but|so|and|because|since|while|yet|then|or|which means)\s))|(,)(?=\s)",
    re.IGNORECASE,
)

# What may stand before a statement without being part of it.
_INTERJECTIONS = (
    "franchement|honnêtement|bref|enfin|perso|personnellement|sérieusement|clairement|évidemment|forcément"
    "|visiblement|apparemment|décidément|heureusement|sincèrement|concrètement|résultat|traduction|bah|ben"
    "|bon|hé|eh bien|ah|oh|ouais|oui|non|si|bien sûr|bien entendu|en gros|en clair|en fait|en vrai|en bref"
    "|en somme|en résumé|du coup|au fond|au final|autrement dit|mon avis|à mon avis|pour moi|selon moi"
    "|d'après moi|d'ailleurs|de toute façon|de plus|en plus|par contre|au contraire|en revanche|cela dit"
    "|ceci dit|voilà|désolé|pardon|attention|rappel|pareil|exactement|idem|soyons clairs|soyons sérieux"
    "|soyons honnêtes|disons-le"
    "|frankly|honestly|basically|actually|obviously|seriously|clearly|apparently|personally|well|yeah|yes"
    "|yep|no|nope|sure|ok|okay|look|listen|sorry|agreed|exactly|indeed|of course|i mean|you know|to be fair"
    "|to be clear|let's be honest|let's be clear|let's face it|in fact|in short|in other words"
    "|in my opinion|imo|imho|tbh|fwiw|for the record|for me|to me|anyway|anyhow|meanwhile|besides|also"
    "|then again|right|unpopular opinion|ehrlich gesagt|naja|klar|francamente|la verdad|bueno|pues"
)
_CONJUNCTIONS = (
    "donc|alors|et|mais|or|car|puis|et puis|maintenant|parce que|puisque|sauf que|surtout que|parce qu'"
    "|puisqu'|sauf qu'|surtout qu'|and|but|so|because|since|also|then|now|und|aber|denn|pero|porque"
)
_HEDGES = (
    r"(?:moi,? )?je (?:pense|crois|trouve|dis|répète|rappelle|maintiens|constate"
    r"|suis (?:sûre?|convaincue?|persuadée?)) qu(?:e\s|')"
    r"|(?:il me semble|j'ai l'impression|on dirait|reste|il faut dire|il paraît|la vérité,? c'est"
    r"|le problème,? c'est|le fait est|ça veut dire|ça prouve(?: bien)?|autant dire|disons) qu(?:e\s|')"
    r"|i(?:'m| am)? (?:really |still )?(?:think|believe|guess|suspect|bet|reckon|say|maintain|sure"
    r"|convinced|certain)(?: that)?\s"
    r"|(?:it seems|it looks like|the truth is|the fact is|the point is|the problem is|which means"
    r"|that means|this means|turns out|i'd say|i would say)(?: that)?,?\s"
)
# Matched against a text whose apostrophes are straight.
_OPENER = re.compile(
    rf"(?:@[\w.-]{{1,60}}[,:]?|(?:{_INTERJECTIONS})\s?[,:!.]|(?:{_CONJUNCTIONS})(?:(?<=')|,?\s)|{_HEDGES})\s*",
    re.IGNORECASE,
)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_FRENCH_VERBS = (
    "est sont était étaient sera seront serait seraient fut a ont avait avaient aura auront aurait va"
    " vont fait font faisait fera peut peuvent pourra pourrait doit doivent devrait veut veulent"
    " voulait sait savent savait paie paye paient payent prend prennent met mettent sert servent vend"
    " vendent reste restent devient deviennent tue cache cachent ment mentent existe existent suffit"
    " coûte coûtent perd perdent dit disent passe passent vaut valent tient tiennent vient viennent"
    " donne donnent finit finira finiront n'est n'a n'ont n'y c'est c'était n'était s'est"
)
_ENGLISH_VERBS = (
    "is are was were be been has have had does do did will would can could should must may might"
    " isn't aren't wasn't weren't don't doesn't didn't won't can't cannot couldn't wouldn't hasn't"
    " haven't it's that's there's they're they've they'll he's she's who's what's knew knows know made"
    " makes make took takes take paid pays pay sold sells sell gets get got gave gives keeps kept goes"
    " went means needs wants lied lie costs cost serves kills killed ends wrote writes"
)
_VERBS = _words(f"{_FRENCH_VERBS} {_ENGLISH_VERBS}")
_VERB_ENDING = re.compile(r"\w{3,}(?:[^m]ent|ait|aient|era|eront|erait|isent|issent|ied|[^e]ed|[^s]es)")
_SUBJECTS = _words("il elle on ils elles nous vous ça cela qui he she it we you they who nobody personne")
_NEGATIONS = re.compile(r"(?:^|\s)(?:ne\s|n['’])", re.IGNORECASE)

# A reader who sees only the clause does not know what these mean.
_POINTING = _words(
    "ça ca cela ceci celui celle ceux celles il elle ils elles lui leur eux y en là this that these"
    " those they them it he she his her their its same such one both either neither there here voilà"
    " dito eso esto das sie er"
)
_POINTING_STARTS = (
    "c'est ça", "c'est pour ça", "c'était", "c'est bien", "that's", "it's", "they're", "they've", "they'll",
    "he's", "she's",
)  # fmt: skip
# A clause that begins so hangs on another one.
_HANGING = _words(
    "que qu qui quoi dont où lequel laquelle auquel quand lorsque lorsqu si comme parce puisque"
    " puisqu afin pour sans avec sauf ni ou sinon plutôt même surtout à de du des d which who whom"
    " whose where when if as than unless until although though whether with without for to of from by"
    " in at or nor not except rather even especially including et and but mais while compare puis"
    " dommage"
)
_HANGING_STARTS = (
    "le jour où ",
    "the day ",
    "tant que ",
    "dès que ",
    "même si ",
    "even if ",
    "à part ",
    "dire que ",
)
_LOOSE_END = _words(
    "que qui dont où si de du des d à au aux le la les l un une et ou mais en par pour sur dans avec"
    " ne se ce cette son sa ses leur leurs mon ma mes très plus the a an of to in on at by for with"
    " and or but that which who is are was were their its his her my our your very more than as if"
    " from"
)
_FIRST_PERSON = _words("je j moi mon ma mes me m nous notre nos i i'm i've i'd i'll my me mine we our us")
_SECOND_PERSON = _words("tu te t toi ton ta tes vous votre vos you your yours you're you've")
_ORDERS = _words(
    "lis dis regarde arrête demande ask watch look guess read imagine try check count show tell"
    " remember stop let explain follow wait note see think go do get don't"
)
_ASKING = _words(
    "pourquoi comment combien quel quelle quels quelles est-ce why how what who where when does did is are"
)
_QUOTES = '"“”«»„'
_DETERMINERS = _words(
    "le la les l un une des ce cet cette ces leur leurs son sa ses tout tous toute toutes chaque"
    " aucun aucune plusieurs the a an these those their every all no most der die das ein eine el los"
    " las una"
)


class Clause(NamedTuple):
    """A part of a text. ending: the mark that ended its sentence, "" within one."""

    text: str
    ending: str


class Form(NamedTuple):
    """How a clause reads, each from 0 to 1; what it is about is not looked at."""

    states: float  # has what looks like a verb
    subject: float  # begins as a noun phrase does
    points: float  # begins with a word that needs what stood before
    hangs: float  # begins or ends in the middle of something
    asks: float
    exclaims: float
    speaks_of_me: float
    speaks_to_you: float
    quotes: float


def clauses_of(text: str, language: str) -> list[Clause]:
    """The clauses of a clean text, each of `MIN_CHARS` to `MAX_CHARS` characters; [] if there is none.

    language: ISO 639-1 or "und". Of a text of more than 2,000 characters only the beginning is read.
    """
    found: dict[str, Clause] = {}
    readable = _QUOTED_LINE.sub("", text[:_READ_CHARS])
    for sentence in sentences(readable, language)[:_MAX_SENTENCES]:
        for clause in _clauses(sentence):
            found.setdefault(clause.text, clause)
    return list(found.values())


def _clauses(sentence: str) -> Iterator[Clause]:
    ending = sentence.rstrip(' "”»)')[-1:]
    plain = _SPACED_MARK.sub(r"\1", _ASIDE.sub("", sentence))
    parts, strong = _parts(plain)
    last = len(parts) - 1
    for start in range(len(parts)):
        for end in range(start, last + 1):
            if parts[end][1] - parts[start][0] > 2 * MAX_CHARS:
                break
            text = _bare(plain[parts[start][0] : parts[end][1]])
            if not MIN_CHARS <= len(text) <= MAX_CHARS or len(_WORD.findall(text)) < _MIN_WORDS:
                continue
            if strong[start] or start == 0:
                yield Clause(text, ending if end == last else "")


def _parts(sentence: str) -> tuple[list[tuple[int, int]], list[bool]]:
    """Places of the parts between cuts, and whether each begins after a strong one."""
    parts: list[tuple[int, int]] = []
    strong = [True]
    begin = 0
    for cut in _CUT.finditer(sentence):
        if len(parts) == _MAX_PARTS - 1:
            break
        parts.append((begin, cut.start()))
        strong.append(cut.group(1) is None)
        begin = cut.end()
    parts.append((begin, len(sentence)))
    return parts, strong


def _bare(text: str) -> str:
    """A part without openers and without the marks around it."""
    text = text.strip(_EDGE)
    for _ in range(_MAX_STRIPS):
        opener = _OPENER.match(text[:_OPENER_CHARS].replace("’", "'"))
        if opener is None:
            break
        text = text[opener.end() :].strip(_EDGE)
    if text[:1] in _QUOTES and text[-1:] in _QUOTES and not any(mark in text[1:-1] for mark in _QUOTES):
        text = text[1:-1].strip(_EDGE)
    return text


def form_of(clause: Clause) -> Form:
    """How a clause reads as a statement."""
    lower = clause.text.lower().replace("’", "'")
    tokens = _WORD.findall(lower)
    pieces = [piece for token in tokens for piece in token.removesuffix("'t").split("'")]
    first, last = pieces[0], pieces[-1]
    balanced = clause.text.count("«") == clause.text.count("»") and clause.text.count('"') % 2 == 0
    return Form(
        states=float(_has_verb(lower, tokens)),
        subject=float(first in _DETERMINERS),
        points=float(first in _POINTING or lower.startswith(_POINTING_STARTS)),
        hangs=float(
            first in _HANGING or last in _LOOSE_END or lower.startswith(_HANGING_STARTS) or not balanced
        ),
        asks=float(clause.ending == "?" or first in _ASKING),
        exclaims=float(clause.ending == "!"),
        speaks_of_me=float(not _FIRST_PERSON.isdisjoint(pieces)),
        speaks_to_you=float(not _SECOND_PERSON.isdisjoint(pieces) or _orders(tokens[0])),
        quotes=float(any(mark in clause.text for mark in _QUOTES)),
    )


def _orders(word: str) -> bool:
    return word in _ORDERS or (word.endswith("ez") and len(word) > 4)


def _has_verb(lower: str, tokens: list[str]) -> bool:
    if _NEGATIONS.search(lower):
        return True
    for place, token in enumerate(tokens):
        if token in _VERBS or token.rpartition("'")[2] in _VERBS:
            return True
        if place and (tokens[place - 1] in _SUBJECTS or _VERB_ENDING.fullmatch(token)):
            return True
    return False
