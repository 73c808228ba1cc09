"""The command `leads`. Each subject is one file, loaded when it is asked for, so that `--help` is quick."""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module

import click

# name -> (module, what --help says); the help text stands here so that listing loads nothing.
COMMANDS = {
    "run": ("cli.run", "Start everything on this machine: servers, web, worker and clock."),
    "chat": ("cli.chat", "Talk to the running system as a customer, by text or by email."),
    "list": ("cli.leads", "List leads."),
    "show": ("cli.leads", "Show one lead: person, car, appointments, cadence, consent."),
    "history": (
        "cli.people",
        "Tell what happened with a lead: states, merges, requests, appointments, consent.",
    ),
    "state": ("cli.people", "Say where a lead stands."),
    "merge": ("cli.people", "Make two leads one: they are the same person."),
    "split": ("cli.people", "Make two leads of one: it was two persons."),
    "forget": ("cli.forget", "Erase a person, and keep only what the law needs."),
    "transcript": ("cli.transcript", "Read a conversation: every message, and how each answer came about."),
    "why": ("cli.why", "Say why a message was sent, held back or worded so: gate, facts, tools, models."),
    "experiment": ("cli.experiment", "Compare models or policies on real conversations."),
    "policy": ("cli.policy", "Read, change and try the words the assistant works by."),
    "facts": ("cli.facts", "Show and change what the assistant may say about the shop."),
    "ai": ("cli.ai", "Which models answer, how they are doing, and what they cost."),
    "calendar": ("cli.calendar", "Draw the bays and who is on them, for a week or a day."),
    "slots": ("cli.slots", "Find free times for services."),
    "book": ("cli.bookings", "Book a lead, also beyond a limit, in somebody's name."),
    "move": ("cli.bookings", "Move an appointment to another time."),
    "cancel": ("cli.bookings", "Cancel an appointment."),
    "mark": ("cli.bookings", "Say what became of an appointment: confirmed, completed or no-show."),
    "hours": ("cli.hours", "Show and change opening hours, holidays and limits."),
    "catalogue": ("cli.catalogue", "Show what is sold; read it anew from the CRM; see what has no price."),
    "close": ("cli.closures", "Close a location for some days, or open it again."),
    "connect": ("cli.connect", "Give a location its number, mailbox and CRM; print the webhook addresses."),
    "keys": ("cli.keys", "Make and revoke keys of the API, for web forms and other programs."),
    "import": ("cli.import_leads", "Take leads in from a CSV file."),
    "plans": ("cli.plans", "See and change the plans of the follow-ups, and which leads go by which."),
    "waves": ("cli.waves", "Write to old leads again, so many a day."),
    "cadence": ("cli.cadence", "See what is planned for a lead, try plans out, pause, resume and change it."),
    "back": ("cli.cadence_change", "Give a conversation back to the assistant."),
    "templates": (
        "cli.templates",
        "Read, try and change the words of texts and mails; see which are blocked.",
    ),
    "kept": ("cli.kept", "See what came in and belongs to no conversation yet; take it up again."),
    "consent": ("cli.consent", "Show what a person allowed; record a stop or a consent."),
    "tenant": ("cli.tenant", "Add, list and pause businesses; describe them in a file and apply it."),
    "location": ("cli.location", "Add and list the locations of a business."),
    "staff": ("cli.staff", "Who of the shop gets alerts and may answer them."),
    "crm": ("cli.crm", "Connect a CRM; test it; see how far it was looked through and what it was not told."),
    "jobs": ("cli.jobs", "What runs by itself: last and next runs, what waits, what failed."),
    "config": ("cli.config", "Check the configuration; make keys."),
    "db": ("cli.db", "Migrate the database and give the application its rights."),
    "web": ("cli.web", "Run the web process alone."),
    "worker": ("cli.worker", "Run the worker process alone."),
    "clock": ("cli.clock", "Run the clock process alone."),
}


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of COMMANDS."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command object; None for an unknown name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(COMMANDS[cmd_name][0]), f"{cmd_name}_command")
        if not gc.isenabled():
            # What was imported stays until the end; nobody has to look through it for rubbish again.
            gc.freeze()
            gc.enable()
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in --help, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
def leads() -> None:
    """Answers a shop's leads in seconds, books them, follows up for 30 days."""


def main() -> None:
    """The entry point. Expected errors are one sentence on stderr and exit code 2; DEBUG=1 shows more."""
    # Imports make half a million objects and no rubbish: looking for it would be a tenth of a quick command's time.
    gc.disable()
    try:
        code = leads(standalone_mode=False)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # `leads list | head`: the reader has enough. Python would complain once more at its own end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        from cli.explain import explain

        sentence = explain(error)
        if sentence is None or os.environ.get("DEBUG"):
            raise
        click.echo(f"leads: {sentence}", err=True)
        sys.exit(2)
    finally:
        gc.enable()
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
