"""Made-up people for looking at a template: one of whom everything is known, those of whom something is not, and one whose
words are as long as they come."""

from __future__ import annotations

from dataclasses import replace

from channels.templates.variables import ServiceLine, Shop, Variables

UNSUBSCRIBE = "https://shop.example/u/0123456789abcdef"
SHOP = Shop(
    "Sample Window Tint", "1 Main Street, Springfield, IL 62701", "(312) 555-0100", "Mon-Fri 9:00 AM-6:00 PM"
)
SERVICES = (
    ServiceLine("Full car tint, sedan, ceramic film", "$449", "2 h 30 min", "All side windows.", "Sunroof"),
    ServiceLine("Paint correction", None, "6 h"),
)
TIMES = ("Tue, Nov 24 at 9:00 AM", "Wed, Nov 25 at 12:30 PM")
VISIT = {"en": "Tue, Nov 24 at 9:00 AM", "es": "mar 24 nov, 9:00 a. m."}
NOTHING: dict[str, object] = {
    "first_name": None,
    "car": None,
    "request": None,
    "services": (),
    "times": (),
    "facts": {},
    "about": None,
    "unsubscribe": None,
}
WITHOUT_VISIT = "without an appointment"
_WITHOUT: dict[str, dict[str, object]] = {
    "without a name": {"first_name": None},
    "without a car": {"car": None},
    "without a request": {"request": None},
    "without services": {"services": ()},
    "without times": {"times": ()},
    "with one time": {"times": TIMES[:1]},
    "without facts": {"facts": {}},
    "without the shop's phone": {},
    "without an unsubscribe link": {"unsubscribe": None},
    "with nothing known": NOTHING,
}


def full(shop: Shop, language: str) -> Variables:
    """A person of whom everything is known."""
    return Variables(
        shop=shop,
        first_name="Dana",
        car="2021 Honda Civic",
        request="ceramic tint",
        services=SERVICES,
        times=TIMES,
        facts={"Do you work on leased cars?": "Yes, with the consent of the owner."},
        about="ceramic tint",
        language=language,
        unsubscribe=UNSUBSCRIBE,
        visit=VISIT.get(language, VISIT["en"]),
    )


def cases(shop: Shop, language: str) -> dict[str, Variables]:
    """Every person to try a template on, by what is odd about them."""
    whole = full(shop, language)
    found = {"with everything known": whole}
    for what, gone in _WITHOUT.items():
        found[what] = replace(whole, **gone)  # type: ignore[arg-type]
    found["without the shop's phone"] = replace(whole, shop=replace(shop, phone="", hours=""))
    found[WITHOUT_VISIT] = replace(whole, visit=None)
    found["with a visit that is confirmed"] = replace(whole, visit_confirmed=True)
    found["as a later text"] = replace(whole, first_text=False)
    found["as a later text with nothing known"] = replace(whole, first_text=False, **NOTHING)  # type: ignore[arg-type]
    found["with long words"] = _long(whole)
    return found


def _long(whole: Variables) -> Variables:
    return replace(
        whole,
        first_name="Maximiliana-Konstantina Wolfeschlegelsteinhausen",
        car="2021 Mercedes-Benz AMG GLE 63 S 4MATIC+ Coupe Long Wheelbase Edition {One}",
        request="full ceramic tint on [all] windows, please " * 5,
        services=(
            replace(SERVICES[0], name=f"{SERVICES[0].name} with a lifetime warranty", price="$1,449.50"),
        ),
        times=("Wed, Nov 25 at 12:30 PM", "Thu, Dec 31 at 10:30 AM"),
        about="the full front of the car and whether that would be possible in January",
    )
