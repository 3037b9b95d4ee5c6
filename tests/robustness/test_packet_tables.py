"""Films with falsified packet tables: refused, or the same frames both ways."""

from packet_tables import films, fuzz


def test_falsified_packet_tables_are_refused_or_read_as_when_all_is_decoded(tmp_path):
    for seed in (0, 1):
        fates, broken = fuzz(films(tmp_path), tmp_path, 150, seed)
        assert not broken and fates["differs"] <= 2, fates
        assert fates["same"] > 20 and fates["refused"] > 20
