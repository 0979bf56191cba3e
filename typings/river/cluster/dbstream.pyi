class DBSTREAMMicroCluster:
    center: dict[int, float]
    last_update: int
    weight: float
