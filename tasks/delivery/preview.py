"""The first rows of a published export, for people to look at."""

from typing import Final

import pandas as pd
import pyarrow.parquet as pq

from tasks.exports.outcome import Outcome

ROWS: Final = 5


def short_url(url: str, widest: int) -> str:
    """Shorten a URL at its beginning: the end is what tells the pages of a site apart."""
    return url if len(url) <= widest else f"…{url[1 - widest :]}"


def preview(outcome: Outcome, rows: int = ROWS) -> pd.DataFrame:
    """Return the first rows; reads no more of the file than it needs."""
    if outcome.parquet:
        with outcome.parquet.open("rb") as content, pq.ParquetFile(content) as file:
            batches = file.iter_batches(batch_size=rows)
            return next((batch.to_pandas() for batch in batches), pd.DataFrame(columns=file.schema_arrow.names))
    assert outcome.csv is not None
    with outcome.csv.open("rb") as content:
        return pd.read_csv(content, nrows=rows, dtype=str, keep_default_na=False)
