"""Which providers a worker pushes with, and how patient it is. Read from the environment by deploy/push_settings.py, nowhere else."""

from pathlib import Path

from msgspec import Struct, field

from domain.notifications import Timing
from workers.push.apns_settings import ApnsSettings
from workers.push.email_settings import EmailSettings
from workers.push.fcm_settings import FcmSettings
from workers.push.webhook_settings import WebhookSettings
from workers.push.webpush_settings import WebPushSettings


class PushSettings(Struct, frozen=True, kw_only=True):
    """A provider that is None is not pushed with. *log* None: where there is nothing but Web Push."""

    fcm: FcmSettings | None = None
    apns: ApnsSettings | None = None
    webpush: WebPushSettings = field(default_factory=WebPushSettings.load)
    webhook: WebhookSettings | None = None
    email: EmailSettings | None = None
    log: bool | None = None
    ca_file: Path | None = None  # a further authority, whose certificates providers may have
    templates: Path | None = None  # a folder of texts in place of some of ours
    merge_s: int = 300
    unacked_s: int = 10
    retry_s: float = 5.0  # the most that the first retry waits; each further one up to four times as long

    @property
    def timing(self) -> Timing:
        """As the rules want it."""
        return Timing(unacked_ms=self.unacked_s * 1000, merge_ms=self.merge_s * 1000)
