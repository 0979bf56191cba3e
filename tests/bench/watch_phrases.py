"""Phrases as somebody might type them in a hurry, for narratives of tech-comments; French, then English."""

from collections.abc import Mapping, Sequence

__all__ = ["SHORT_PHRASES"]

SHORT_PHRASES: Mapping[str, Sequence[str]] = {
    "n01": ("rachat déguisé", "disguised acquisition"),
    "n02": ("régulateurs vendus aux géants du numérique", "regulators in Big Tech's pocket"),
    "n05": ("protéger leurs revenus publicitaires, pas la sécurité", "protecting ad revenue, not security"),
    "n06": ("ralentir les pages à cause du bloqueur", "slowing down pages for ad blocker users"),
    "n07": ("appât libre puis changement de licence", "open source bait and switch"),
    "n09": ("obsolescence programmée des téléphones", "planned obsolescence of phones"),
    "n11": ("amendes ridicules pour eux", "fines are just a cost of doing business"),
    "n12": ("retour au piratage", "going back to piracy"),
    "n14": ("vendre nos messages pour entraîner des IA", "selling our posts to train AI"),
    "n18": ("on ne possède plus rien", "you will own nothing"),
    "n20": ("ils savaient depuis des mois et n'ont rien dit", "they knew about the breach and kept quiet"),
    "n22": ("les sanctions renforcent la Chine", "sanctions make China stronger"),
    "n23": ("l'IA lit nos documents même désactivée", "AI reads documents even when turned off"),
    "n24": ("gonfler les chiffres d'utilisateurs de l'IA", "inflating AI user numbers"),
}
