"""The variables of a template, in words for whoever writes one (`leads templates variables`)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Documented:
    """One name a template may use; `may_miss`: it can be empty, so ask for it first."""

    name: str
    means: str
    may_miss: bool = False


VARIABLES = (
    Documented("hi", "the greeting with the first name if it is known: Hi Dana, Hola Dana"),
    Documented("first_name", "the customer's first name", may_miss=True),
    Documented("car", "the car as the customer gave it: 2021 Honda Civic", may_miss=True),
    Documented("your_car", "your 2021 Honda Civic, or your car; in Spanish su ..."),
    Documented(
        "request", "what the customer asked for, in their words, without links and numbers", may_miss=True
    ),
    Documented("matter", 'your request "ceramic tint" for your 2021 Honda Civic, or as much as is known'),
    Documented("about", "what the customer asked to be written to about; follow-ups only", may_miss=True),
    Documented("assistant", "the assistant's name, always saying that it is automated"),
    Documented("shop.name", "the shop's name"),
    Documented("shop.address", "its postal address, which the law wants in every commercial email"),
    Documented("shop.phone", "the number people call", may_miss=True),
    Documented("shop.hours", "the opening hours", may_miss=True),
    Documented("services", "the services that surely fit, best first: a list, often empty", may_miss=True),
    Documented("service.name, .duration", "of one service, in a loop over services or as services[0]"),
    Documented("service.price", "today's price; empty where a person must quote", may_miss=True),
    Documented("service.description, .not_included", "as the price list has them", may_miss=True),
    Documented(
        "times", "up to two times that are free right now, where the plan's step has offers", may_miss=True
    ),
    Documented("facts", 'the owner\'s answers: facts.items(), or facts["the question"]', may_miss=True),
    Documented("first_text", "true while no text of ours has reached this person: the introduction is due"),
    Documented("unsubscribe", "the link that ends these emails; email only", may_miss=True),
    Documented("visit", "when the customer comes; confirmations and reminders only", may_miss=True),
    Documented("visit_confirmed", "true when the customer has said that they come"),
)
"""Everything there is; `cases` in samples.py knows which of it can be missing."""
