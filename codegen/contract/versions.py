"""Versions of a contract: their order, and the next ones."""

from typing import Literal, NamedTuple

Bump = Literal["none", "patch", "minor", "major"]
BUMPS: tuple[Bump, ...] = ("none", "patch", "minor", "major")


class Version(NamedTuple):
    """A version; versions compare as they follow each other."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"

    def after(self, bump: Bump) -> "Version":
        """Return the first version that is so much newer."""
        match bump:
            case "major":
                return Version(self.major + 1, 0, 0)
            case "minor":
                return Version(self.major, self.minor + 1, 0)
            case "patch":
                return Version(self.major, self.minor, self.patch + 1)
            case "none":
                return self

    def bump_from(self, old: "Version") -> Bump:
        """Tell how much newer this version is than an older one; "none" when it is not."""
        if self <= old:
            return "none"
        if self.major > old.major:
            return "major"
        return "minor" if self.minor > old.minor else "patch"


def parse_version(text: str) -> Version:
    """Read a version that is known to be one."""
    return Version(*(int(part) for part in text.split(".")))
