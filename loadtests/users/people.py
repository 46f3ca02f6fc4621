"""People and their words: pools made once by Faker, so that the hot path only picks from them."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

POOL = 256
"""Names, and sentences, made for each locale: enough variety, a tenth of a second of work."""


@dataclass(frozen=True)
class People:
    """Names and sentences of one worker. The same seed, worker and locales give the same ones in the same order."""

    names: tuple[str, ...]
    sentences: tuple[str, ...]
    _random: random.Random

    @classmethod
    def of(cls, locales: Sequence[str], seed: int, worker: int) -> "People":
        """Call it after the fork: one made before would give every worker the same people. Raises AttributeError for
        a locale that Faker does not have."""
        from faker import Faker  # after the fork, and not at all in the master

        names, sentences = [], []
        for locale in locales:
            fake = Faker(locale)
            fake.seed_instance(f"{seed} {worker} {locale}")
            names += [fake.name() for _ in range(POOL)]
            sentences += [fake.sentence(nb_words=8) for _ in range(POOL)]
        return cls(tuple(names), tuple(sentences), random.Random(f"people {seed} {worker}"))  # noqa: S311  no secrets

    def name(self) -> str:
        return self._random.choice(self.names)

    def sentence(self) -> str:
        return self._random.choice(self.sentences)
