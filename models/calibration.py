"""Where each language lies in an embedding space: the mean vectors that centring starts from.

A stream's own means take over after some dozens of claims; until then, and for a language that the stream
has not spoken yet (an English watch on a French thread), these everyday sentences stand in. They name no
topic that a desk would monitor.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["SENTENCES", "calibrate"]

SENTENCES: dict[str, tuple[str, ...]] = {
    "fr": (
        "La batterie tient plus longtemps que celle de l’an dernier.",
        "Je préfère attendre la prochaine version avant de changer.",
        "Ils ont encore augmenté le prix sans prévenir personne.",
        "Personne ne lit les conditions d’utilisation.",
        "Ce téléphone chauffe beaucoup trop pendant la charge.",
        "Les régulateurs devraient regarder ce marché de plus près.",
        "Mon vieux portable tourne encore très bien.",
        "La mise à jour a cassé mon imprimante, merci.",
        "Le logiciel libre a besoin d’argent pour survivre.",
        "C’est toujours la même histoire avec cette entreprise.",
        "On nous promet cela depuis dix ans et rien ne vient.",
        "Le service après-vente ne répond jamais.",
        "Il faudrait comparer avec ce que font les autres pays.",
        "Je ne comprends pas pourquoi tout le monde s’énerve.",
        "Les chiffres de l’article me semblent faux.",
        "Au bureau, nous avons changé d’outil l’été dernier.",
    ),
    "en": (
        "The battery lasts longer than last year’s.",
        "I would rather wait for the next version before I switch.",
        "They raised the price again without telling anyone.",
        "Nobody reads the terms of service.",
        "This phone gets far too warm when it charges.",
        "Regulators should take a closer look at this market.",
        "My old laptop still runs just fine.",
        "The update broke my printer, thanks a lot.",
        "Open source needs money to survive.",
        "It is always the same story with this company.",
        "They have promised this for ten years and nothing came.",
        "Customer support never answers.",
        "We should compare it with what other countries do.",
        "I do not see why everybody is so angry.",
        "The figures in the article look wrong to me.",
        "At the office we moved to another tool last summer.",
    ),
    "de": (
        "Der Akku hält länger als der vom letzten Jahr.",
        "Ich warte lieber auf die nächste Version.",
        "Sie haben schon wieder die Preise erhöht, ohne etwas zu sagen.",
        "Niemand liest die Nutzungsbedingungen.",
        "Die Behörden sollten sich diesen Markt genauer ansehen.",
        "Mein altes Notebook läuft immer noch gut.",
        "Das Update hat meinen Drucker lahmgelegt.",
        "Der Kundendienst antwortet nie.",
    ),
    "es": (
        "La batería dura más que la del año pasado.",
        "Prefiero esperar a la próxima versión.",
        "Han vuelto a subir el precio sin avisar a nadie.",
        "Nadie lee las condiciones de uso.",
        "Los reguladores deberían mirar este mercado más de cerca.",
        "Mi viejo portátil sigue funcionando bien.",
        "La actualización ha estropeado mi impresora.",
        "El servicio técnico no contesta nunca.",
    ),
}


def calibrate(embed: Callable[[Sequence[str]], NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    """Language to mean vector (d,), from an embedder's `embed`: texts to (n, d) rows."""
    texts = [sentence for sentences in SENTENCES.values() for sentence in sentences]
    rows = iter(embed(texts))
    return {
        language: np.mean([next(rows) for _ in sentences], axis=0, dtype=np.float32)
        for language, sentences in SENTENCES.items()
    }
