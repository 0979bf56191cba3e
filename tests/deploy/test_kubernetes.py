"""deploy/kubernetes: right by Kubernetes' own schemas, consistent, and true of the product."""

from typing import Any

import kubernetes_validate
import pytest
import yaml

from streams.settings import load_settings
from tests.deploy.product import DEPLOY, check_command, check_environment, check_image, documents

FOLDER = DEPLOY / "kubernetes"
VERSION = "1.36"
KUSTOMIZATION: dict[str, Any] = yaml.safe_load((FOLDER / "kustomization.yaml").read_text(encoding="utf-8"))
OBJECTS = [
    document
    for path in sorted(FOLDER.glob("*.yaml"))
    if path.name != "kustomization.yaml"
    for document in documents(path)
]
WORKLOADS = [one for one in OBJECTS if one["kind"] in ("Deployment", "Job")]


def title(one: dict[str, Any]) -> str:
    return f"{one['kind']}/{one['metadata']['name']}"


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [one for one in OBJECTS if one["kind"] == kind]


def pod_of(workload: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = workload["spec"]["template"]["spec"]
    return spec


def labels_of(workload: dict[str, Any]) -> dict[str, str]:
    labels: dict[str, str] = workload["spec"]["template"]["metadata"]["labels"]
    return labels


@pytest.mark.parametrize("one", OBJECTS, ids=title)
def test_kubernetes_takes_it(one: dict[str, Any]) -> None:
    kubernetes_validate.validate(one, VERSION, strict=True)


def test_the_schemas_notice_what_is_wrong() -> None:
    broken = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "x"}, "automount": True}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, VERSION, strict=True)


def test_every_file_is_applied_but_the_example_of_a_secret() -> None:
    files = {path.name for path in FOLDER.glob("*.yaml")} - {"kustomization.yaml", "secret.example.yaml"}
    assert set(KUSTOMIZATION["resources"]) == files
    (image,) = KUSTOMIZATION["images"]
    check_image(f"{image['newName']}:{image['newTag']}")
    names = [title(one) for one in OBJECTS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("workload", WORKLOADS, ids=title)
def test_a_pod_may_do_as_little_as_possible(workload: dict[str, Any]) -> None:
    pod = pod_of(workload)
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not pod["automountServiceAccountToken"]
    # The variables of a Service named narrawatch-metrics would be taken for settings.
    assert pod["enableServiceLinks"] is False
    assert pod["serviceAccountName"] in {one["metadata"]["name"] for one in of_kind("ServiceAccount")}
    for container in pod["containers"]:
        assert container["image"] == KUSTOMIZATION["images"][0]["name"]
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"].keys() == {"cpu", "memory"}
        assert "/tmp" in {mount["mountPath"] for mount in container["volumeMounts"]}  # noqa: S108 - there


@pytest.mark.parametrize("workload", WORKLOADS, ids=title)
def test_its_command_and_its_settings_are_real(workload: dict[str, Any]) -> None:
    (container,) = pod_of(workload)["containers"]
    secret: dict[str, str] = of_kind("Secret")[0]["stringData"]
    environment = settings_env()
    for variable in container["env"]:
        if "value" in variable:
            environment[variable["name"]] = variable["value"]
        else:
            reference = variable["valueFrom"]["secretKeyRef"]
            assert reference["name"] == of_kind("Secret")[0]["metadata"]["name"]
            environment[variable["name"]] = secret[reference["key"]]
    made = {one["name"] for one in KUSTOMIZATION["configMapGenerator"]}
    assert {source["configMapRef"]["name"] for source in container["envFrom"]} <= made
    assert {v["configMap"]["name"] for v in pod_of(workload)["volumes"] if "configMap" in v} <= made
    check_environment(environment)
    check_command(container["args"])


def settings_env() -> dict[str, str]:
    lines = (FOLDER / "settings.env").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line)


def test_every_secret_that_is_named_is_used() -> None:
    used = {
        variable["name"]
        for workload in WORKLOADS
        for container in pod_of(workload)["containers"]
        for variable in container["env"]
        if "valueFrom" in variable
    }
    assert of_kind("Secret")[0]["stringData"].keys() == used


@pytest.mark.parametrize("workload", of_kind("Deployment"), ids=title)
def test_it_is_asked_how_it_is(workload: dict[str, Any]) -> None:
    (container,) = pod_of(workload)["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        asked = container[probe]["httpGet"]
        assert asked["port"] in ports
        assert asked["path"] in ("/health", "/ready")
    assert container["livenessProbe"]["httpGet"]["path"] == "/health"
    listening = {
        int(variable["value"]) for variable in container["env"] if variable["name"].endswith("_PORT")
    }
    assert set(ports.values()) == listening
    assert workload["spec"]["selector"]["matchLabels"] == labels_of(workload)


def test_what_selects_pods_selects_some() -> None:
    pods = [labels_of(workload) for workload in WORKLOADS]
    for budget in of_kind("PodDisruptionBudget"):
        wanted = budget["spec"]["selector"]["matchLabels"].items()
        assert any(wanted <= labels.items() for labels in pods)
    for service in of_kind("Service"):
        (chosen,) = [
            one for one in WORKLOADS if service["spec"]["selector"].items() <= labels_of(one).items()
        ]
        names = {port["name"] for port in pod_of(chosen)["containers"][0]["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= names
    for policy in of_kind("NetworkPolicy"):
        selector = policy["spec"]["podSelector"]
        wanted = selector.get("matchLabels", {}).items()
        assert any(wanted <= labels.items() for labels in pods)


def test_workers_grow_with_what_waits() -> None:
    (scaler,) = of_kind("HorizontalPodAutoscaler")
    target = scaler["spec"]["scaleTargetRef"]
    (workload,) = [one for one in WORKLOADS if one["metadata"]["name"] == target["name"]]
    assert "replicas" not in workload["spec"]  # each new version would undo what the scaler did
    partitions = load_settings(partitions=settings_env()["NARRAWATCH_PARTITIONS"]).partitions
    assert scaler["spec"]["minReplicas"] < scaler["spec"]["maxReplicas"] <= partitions


def test_nobody_reaches_a_pod_who_is_not_named() -> None:
    policies = {one["metadata"]["name"]: one["spec"] for one in of_kind("NetworkPolicy")}
    default = policies["narrawatch-default"]
    assert default["ingress"] == []
    assert sorted(default["policyTypes"]) == ["Egress", "Ingress"]
    assert all(default["podSelector"]["matchLabels"].items() <= labels_of(one).items() for one in WORKLOADS)


def test_the_settings_that_are_mounted_are_good() -> None:
    load_settings(FOLDER / "narrawatch.toml")
