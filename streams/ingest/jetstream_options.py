"""Which posts of Bluesky are wanted: the options of `streams.ingest.jetstream`."""

from pydantic import Field

from streams.ingest.option_lists import Words
from streams.ingest.source_options import SiteUrl, SourceOptions

__all__ = ["JetstreamOptions"]


class JetstreamOptions(SourceOptions):
    """Which posts are wanted: at least one rule, or everything."""

    url: SiteUrl = Field(
        default="https://jetstream2.us-east.bsky.network", description="an instance, http:// or https://"
    )
    # For its interface, which is for programs; the stream itself has no pages.
    robots: bool = Field(default=False, description="true to hold robots.txt against the resolver, too")
    keywords: Words = Field(
        default=(),
        max_length=200,
        description="up to 200 words or phrases, #hashtags and @handles among them",
    )
    domains: Words = Field(
        default=(), max_length=200, description="up to 200 sites, such as example.org: posts that link there"
    )
    accounts: Words = Field(
        default=(), max_length=100, description="up to 100 handles or DIDs: their posts, and answers to them"
    )
    langs: Words = Field(
        default=(), max_length=50, description="up to 50 languages, such as fr, en; posts that name none pass"
    )
    replies: bool = Field(
        default=True, description="false to leave out answers in discussions that began with a wanted post"
    )
    everything: bool = Field(
        default=False, description="true for all posts of the network, about fifty a second; else false"
    )
    resolver_url: SiteUrl = Field(
        default="https://public.api.bsky.app", description="where handles are looked up, http:// or https://"
    )

    def source_name(self, kind: str) -> str:  # noqa: ARG002 - the instance is no matter, the network is one
        """There is one network, whichever instance tells of it."""
        return self.name or "bluesky"
