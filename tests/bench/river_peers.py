"""River's DenStream, and its TextClust, which reads the text and no vectors."""

from typing import NamedTuple

import stop_words

from tests.bench.dbstream import points_of
from tests.bench.found import Found, Material, Tracker
from tests.bench.peer import NotInstalledError

__all__ = ["DenStreamAsShipped", "TextClust"]

_WARM_UP = 50  # comments that DenStream collects before it clusters: by default 1,000, more than most streams
_LANGUAGES = ("fr", "en")


class DenStreamAsShipped(NamedTuple):
    """epsilon: the radius of a micro-cluster."""

    epsilon: float
    centre: bool

    def __call__(self, material: Material) -> Found:
        """See `Peer`.  The comments of the warm-up are in no cluster."""
        try:
            from river.cluster import DenStream  # noqa: PLC0415
        except ImportError:
            raise NotInstalledError("river") from None
        model = DenStream(epsilon=self.epsilon, n_samples_init=_WARM_UP)
        tracker = Tracker(material)
        for place, point in enumerate(points_of(material.vectors, self.centre)):
            model.learn_one(point)
            # Without any cluster it answers -1; before the end of the warm-up always 0.
            if place >= _WARM_UP and (cluster := model.predict_one(point)) >= 0:
                tracker.put(place, cluster)
        return tracker.found()


class TextClust(NamedTuple):
    """radius: tf-idf cosine distance. tgap: comments after which a lone one is forgotten."""

    radius: float
    tgap: int

    def __call__(self, material: Material) -> Found:
        """See `Peer`.  Where it joins two micro-clusters, their comments are joined, too."""
        try:
            from river.cluster import TextClust as Model  # noqa: PLC0415
            from river.feature_extraction import BagOfWords  # noqa: PLC0415
        except ImportError:
            raise NotInstalledError("river") from None
        stop = {word for language in _LANGUAGES for word in stop_words.get_stop_words(language)}
        words = BagOfWords(lowercase=True, stop_words=stop)
        model = Model(radius=self.radius, tgap=self.tgap, real_time_fading=False)
        tracker = Tracker(material)
        for place, comment in enumerate(material.comments):
            bag = words.transform_one(comment.text)
            model.learn_one(bag)
            cluster = model.predict_one(bag)
            if cluster is not None:
                tracker.put(place, cluster)
            if model.last_cleanup == model.t:  # the only time at which it joins any
                for survivor, one in model.micro_clusters.items():
                    for absorbed in one.merged_ids:
                        tracker.merge(absorbed, survivor, decided=place)
        return tracker.found()
