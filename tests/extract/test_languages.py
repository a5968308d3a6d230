"""Languages that families of a Washington district write, by sentences written for this test."""

from __future__ import annotations

import pycld2
import pytest

from extract import languages
from extract.protocol import ExtractContext
from extract.workers import Job, Worker
from records.languages import LANGUAGES, codes, shares
from tests.extract import samples
from tests.extract.samples import ZONE

SENTENCES = {
    "en": (
        "Dear families, please be informed that the school bus will arrive later on "
        "Monday morning because of work on the main street."
    ),
    "es": (
        "Estimadas familias: les informamos que el autobús escolar llegará más tarde el "
        "lunes por la mañana debido a las obras en la calle principal."
    ),
    "ru": (
        "Уважаемые родители, сообщаем вам, что школьный автобус в понедельник утром "
        "приедет позже из-за ремонта главной улицы."
    ),
    "uk": (
        "Шановні батьки, повідомляємо, що шкільний автобус у понеділок вранці приїде "
        "пізніше через ремонт головної вулиці."
    ),
    "vi": (
        "Kính gửi quý phụ huynh, chúng tôi xin thông báo rằng xe buýt của trường sẽ đến "
        "muộn vào sáng thứ Hai do công trình sửa đường."
    ),
    "so": (
        "Waalidiinta sharafta leh, waxaan idin ogeysiinaynaa in baska dugsiga uu soo "
        "daahi doono subaxda Isniinta sababtoo ah dhismaha waddada weyn."
    ),
    "zh": ("各位家长，我们通知您，由于主要街道施工，校车将在星期一早上晚到。请提前安排孩子的接送时间。"),
    "ko": ("학부모님께 알려 드립니다. 월요일 아침 주요 도로 공사로 인해 학교 버스가 늦게 도착할 예정입니다."),
    "tl": (
        "Mahal na mga magulang, ipinapaalam namin sa inyo na mahuhuli ang bus ng "
        "paaralan sa Lunes ng umaga dahil sa paggawa sa pangunahing kalye."
    ),
    "ar": (
        "أولياء الأمور الكرام، نود إبلاغكم بأن حافلة المدرسة ستصل متأخرة صباح يوم "
        "الاثنين بسبب أعمال الطريق الرئيسي."
    ),
    "pa": ("ਪਿਆਰੇ ਮਾਪਿਓ, ਅਸੀਂ ਤੁਹਾਨੂੰ ਦੱਸਣਾ ਚਾਹੁੰਦੇ ਹਾਂ ਕਿ ਸਕੂਲ ਬੱਸ ਸੋਮਵਾਰ ਸਵੇਰੇ ਦੇਰੀ ਨਾਲ ਆਵੇਗੀ।"),
    "am": ("ውድ ወላጆች፣ የትምህርት ቤቱ አውቶቡስ ሰኞ ጠዋት በመንገድ ሥራ ምክንያት ዘግይቶ እንደሚመጣ እናሳውቃለን።"),
    "ja": ("保護者の皆様へ、スクールバスは月曜日の朝、道路工事のため遅れて到着しますのでご了承ください。"),
}


@pytest.mark.parametrize("code", SENTENCES)
def test_each_language_of_a_district_is_told(code: str) -> None:
    ((found, share),) = shares(languages.told(SENTENCES[code]))
    assert found == code
    assert share >= 98


def test_chinese_is_one_in_both_ways_of_writing() -> None:
    traditional = "各位家長，我們通知您，由於主要街道施工，校車將在星期一早上晚到。請提前安排孩子的接送時間。"
    assert codes(languages.told(traditional)) == ("zh",)


def test_a_notice_in_two_languages_has_both() -> None:
    found = languages.told(f"{SENTENCES['en'] * 4}\n\n{SENTENCES['es'] * 4}")
    assert codes(found) == ("en", "es")
    assert sum(share for _, share in shares(found)) in range(97, 101)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ok",
        "Thanks, see you at nine.",
        "555-0100 " * 40,
        "x" * 500,
        "https://example.org/a/b/c " * 9,
        SENTENCES["es"][:60],
        SENTENCES["zh"][:20],
    ],
)
def test_what_is_too_short_or_no_language_is_not_told(text: str) -> None:
    assert languages.told(text) == ""
    assert codes(None) == codes("") == ("und",)


@pytest.mark.parametrize("sign", ["\x01", "\x0c", "\ufffe", "\udc80", "\ufdd0", "\0", "\x85"])
def test_signs_that_are_no_text_cost_nothing(sign: str) -> None:
    assert codes(languages.told(SENTENCES["es"] + sign)) == ("es",)


def test_only_beginning_and_middle_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    detect = pycld2.detect
    monkeypatch.setattr(pycld2, "detect", lambda text, **more: seen.append(text) or detect(text, **more))
    languages.told("a" * 5000)
    languages.told("b" * 600)
    assert [len(one) for one in seen] == [601, 600]


def test_every_code_that_is_told_is_known() -> None:
    known = {languages._OTHER_CODES.get(code, code) for _, code in pycld2.LANGUAGES}
    assert set(LANGUAGES) <= known
    assert {"en", "es", "ru", "uk", "vi", "so", "zh", "ko", "tl", "ar", "am", "pa", "km", "sm", "hmn"} <= set(
        LANGUAGES
    )


def test_a_worker_says_it_of_each_item() -> None:
    spanish = samples.mail("From: a@example.org\nSubject: x\nContent-Type: text/plain; charset=utf-8",
                           SENTENCES["es"] + "\n")  # fmt: skip
    jobs = [Job(n, data, ExtractContext(None, None, ZONE), "message/rfc822") for n, data in
            enumerate((spanish, samples.SIMPLE))]  # fmt: skip
    with Worker() as worker:
        results = list(worker.submit(jobs))
    assert [codes(result.languages) for result in results] == [("es",), ("und",)]
