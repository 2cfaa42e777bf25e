"""Versions of a contract: parsing, order, and the next version after a change."""

from typing import Literal, NamedTuple

Bump = Literal["none", "patch", "minor", "major"]
BUMPS: tuple[Bump, ...] = ("none", "patch", "minor", "major")


class Version(NamedTuple):
    """A version; a later one is greater."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"

    def after(self, bump: Bump) -> "Version":
        """Return the next version after a change of this size."""
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
        """Return by which part this version is newer than an older one; "none" if it is not newer."""
        if self <= old:
            return "none"
        if self.major > old.major:
            return "major"
        return "minor" if self.minor > old.minor else "patch"


def parse_version(text: str) -> Version:
    """Parse a version like "1.0.0"; the text must have been checked before."""
    return Version(*(int(part) for part in text.split(".")))
