"""The buffer of serves and clicks: written in groups behind the answers, kept through failures, bounded."""

from typing import Any

from prometheus_client import Counter

from app.serving.record.serves import Buffer


def dropped() -> Counter:
    return Counter("dropped", "in a test", registry=None)


def count(counter: Counter) -> float:
    return counter.collect()[0].samples[0].value


async def test_what_comes_during_a_write_waits_for_the_next_turn() -> None:
    written: list[list[Any]] = []

    async def write(batch: list[Any]) -> None:
        written.append(batch)
        buffer.add(f"during {len(written)}")

    buffer = Buffer("serves", write, dropped())
    buffer.add("first")
    await buffer.flush()
    assert written == [["first"]]
    await buffer.flush()
    assert written == [["first"], ["during 1"]]


async def test_all_that_is_there_is_written_however_much_it_is() -> None:
    written: list[Any] = []

    async def write(batch: list[Any]) -> None:
        written.extend(batch)

    buffer = Buffer("serves", write, dropped())
    for number in range(12_345):
        buffer.add(number)
    await buffer.flush()
    assert written == list(range(12_345))


async def test_a_failed_write_keeps_its_records_in_order_as_far_as_there_is_room() -> None:
    written: list[Any] = []
    away = True

    async def write(batch: list[Any]) -> None:
        if away:
            buffer.add("during")
            raise ConnectionError
        written.extend(batch)

    counter = dropped()
    buffer = Buffer("serves", write, counter, size=3)
    for number in range(3):
        buffer.add(number)
    await buffer.flush()
    away = False
    await buffer.flush()
    assert (written, count(counter)) == ([0, 1, "during"], 1)


async def test_a_full_buffer_drops_and_counts_what_comes() -> None:
    async def write(batch: list[Any]) -> None: ...

    counter = dropped()
    buffer = Buffer("serves", write, counter, size=2)
    for number in range(5):
        buffer.add(number)
    assert count(counter) == 3
