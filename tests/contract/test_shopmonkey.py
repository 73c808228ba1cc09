"""Shopmonkey keeps the contract, with the client's own limits switched on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from crm.connectors.base import Connector
from crm.connectors.kinds import Wiring
from crm.connectors.limits import LimitStore
from crm.connectors.registry import KINDS
from tests.contract.connector_contract import ConnectorContract, Site
from tests.contract.shopmonkey_site import OddShopmonkey, site_of


class TestShopmonkey(ConnectorContract):
    """Over real sockets, made by the registry's own line."""

    @pytest.fixture
    def site(self) -> Iterator[Site]:
        made: list[Connector] = []
        with OddShopmonkey() as shopmonkey:

            def make(key: str) -> Connector:
                rate = {"rate": {"per_second": 500, "burst": 100}}
                wiring = Wiring(shopmonkey.url, key, rate, {}, LimitStore(), timeout_s=5)
                made.append(KINDS["shopmonkey"].make(wiring))
                return made[-1]

            yield site_of(shopmonkey, make)
            for connector in made:
                connector.close()
