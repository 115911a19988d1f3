"""`darkroom status` and `darkroom watch`."""

from typing import Annotated

import typer

from clients.commands.options import Json, Key, Url

Batch = Annotated[str | None, typer.Option("--batch", "-b", metavar="BATCH", help="All jobs of one batch.")]


def status(
    *,
    job_ids: Annotated[list[str] | None, typer.Argument(metavar="JOB", help="Ids of jobs.")] = None,
    batch: Batch = None,
    state: Annotated[
        str | None, typer.Option(metavar="STATE", help="queued, processing, done, failed or cancelled.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many jobs.")] = 20,
    url: Url = None,
    _key: Key = None,
    as_json: Json = False,
) -> None:
    """Show jobs as they are now.

    Those named, those of a batch, or the newest.

    \b
    Examples:
      darkroom status
      darkroom status 0-0197a1b2-…
      darkroom status --state failed --limit 100 --json

    Exit code: 0 when the jobs are known, 1 when one is not.
    """
    from clients.status import show

    raise typer.Exit(show(job_ids or [], batch=batch, state=state, limit=limit, url=url, as_json=as_json))


def watch(
    *,
    job_id: Annotated[str | None, typer.Argument(metavar="JOB", help="Id of a job.")] = None,
    batch: Batch = None,
    url: Url = None,
    _key: Key = None,
    as_json: Json = False,
) -> None:
    """Follow jobs live until they have ended.

    A job or a batch; without either, the newest jobs until Ctrl-C.

    \b
    Examples:
      darkroom watch --batch cli-6f1c…
      darkroom watch 0-0197a1b2-… --json
      darkroom watch

    Exit code: 0 when all are done, 1 when any failed.
    """
    from clients.watch import watch as run

    raise typer.Exit(run(job_id, batch=batch, url=url, as_json=as_json))
