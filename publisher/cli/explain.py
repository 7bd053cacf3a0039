"""`publisher explain`: its arguments. `explain_view` carries it out."""

from publisher.cli.options import AnyId, RouteId, RoutesOption
from publisher.cli.terminal.output import JsonFlag


def explain(
    id_: AnyId,
    route_id: RouteId = None,
    limit: RoutesOption = 20,
    json: JsonFlag = False,
) -> None:
    """Say why a route is where it is, what happens next and when, and what happened so far.

    A notification's id explains each of its routes. Times are by the database's clock.
    """
    # Imported by a command that runs: to complete an id, at a key press, the arguments above are enough.
    from publisher.cli.explain_view import print_explanation

    print_explanation(id_, route_id, limit, json=json)
