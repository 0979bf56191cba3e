class MicroCluster:
    merged_ids: list[int]
