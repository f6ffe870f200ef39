"""HTML that several pages share: the grid, tokens, tables, links, answer counts, the preview image."""
