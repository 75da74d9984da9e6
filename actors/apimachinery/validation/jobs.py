"""Rules of Jobs and CronJobs."""

from __future__ import annotations

from typing import Final

from actors.apimachinery.operation import Object
from actors.apimachinery.selector import LabelSelector, SelectorError
from actors.apimachinery.validation.field import (
    Errors,
    check_enum,
    check_immutable,
    check_not_negative,
    invalid,
    not_supported,
    required,
)
from actors.apimachinery.validation.job_policies import check_policies
from actors.apimachinery.validation.workloads import check_template

_COMPLETION_MODES: Final = ("Indexed", "NonIndexed")
_REPLACEMENT_POLICIES: Final = ("Failed", "TerminatingOrFailed")
_CONCURRENCY: Final = ("Allow", "Forbid", "Replace")
_SCHEDULE_NAMES: Final = frozenset({"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"})
_COUNTS: Final = (
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
    "ttlSecondsAfterFinished",
)
_CRON_RANGES: Final = (("minute", 0, 59), ("hour", 0, 23), ("dom", 1, 31), ("month", 1, 12), ("dow", 0, 6))
_CRON_NAMES: Final = {
    "month": ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
    "dow": ("sun", "mon", "tue", "wed", "thu", "fri", "sat"),
}


def validate_job(obj: Object) -> Errors:
    """A Job, after defaults and after its selector was generated."""
    errors: Errors = []
    spec = obj.get("spec") or {}
    _check_job_spec(errors, "spec", spec)
    selector = spec.get("selector")
    if selector is None:
        errors.append(required("spec.selector"))
        return errors
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    try:
        matches = LabelSelector.from_object(selector).matches(labels)
    except SelectorError as error:
        errors.append(invalid("spec.selector", selector, str(error)))
        return errors
    if not matches:
        errors.append(invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`"))
    return errors


def _check_job_spec(errors: Errors, path: str, spec: Object) -> None:
    for name in _COUNTS:
        check_not_negative(errors, f"{path}.{name}", spec.get(name))
    mode = spec.get("completionMode")
    check_enum(errors, f"{path}.completionMode", mode, _COMPLETION_MODES, needed=False)
    if mode == "Indexed" and spec.get("completions") is None:
        errors.append(required(f"{path}.completions", "when completion mode is Indexed"))
    policy = spec.get("podReplacementPolicy")
    check_enum(errors, f"{path}.podReplacementPolicy", policy, _REPLACEMENT_POLICIES, needed=False)
    check_policies(errors, path, spec)
    template = spec.get("template") or {}
    check_template(errors, f"{path}.template", template)
    restart = (template.get("spec") or {}).get("restartPolicy")
    if restart in ("Always", "", None):
        errors.append(required(f"{path}.template.spec.restartPolicy", 'valid values: "OnFailure", "Never"'))


def validate_job_update(new: Object, old: Object) -> Errors:
    """What a Job does can't change once it exists; how many pods at a time can."""
    errors: Errors = []
    after, before = new["spec"], old["spec"]
    if after.get("completionMode") != "Indexed":
        check_immutable(errors, "spec.completions", after.get("completions"), before.get("completions"))
    check_immutable(errors, "spec.selector", after.get("selector"), before.get("selector"))
    if not (before.get("suspend") and not (old.get("status") or {}).get("startTime")):
        check_immutable(errors, "spec.template", after.get("template"), before.get("template"))
    for name in ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"):
        check_immutable(errors, f"spec.{name}", after.get(name), before.get(name))
    return errors


def validate_cron_job(obj: Object) -> Errors:
    """A CronJob, after defaults."""
    errors: Errors = []
    spec = obj.get("spec") or {}
    schedule = spec.get("schedule")
    if not schedule:
        errors.append(required("spec.schedule"))
    elif fault := schedule_fault(schedule):
        errors.append(invalid("spec.schedule", schedule, fault))
    check_enum(errors, "spec.concurrencyPolicy", spec.get("concurrencyPolicy"), _CONCURRENCY)
    for name in ("startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
        check_not_negative(errors, f"spec.{name}", spec.get(name))
    job = (spec.get("jobTemplate") or {}).get("spec") or {}
    if job.get("manualSelector"):
        errors.append(not_supported("spec.jobTemplate.spec.manualSelector", True, ("nil", "false")))
    _check_job_spec(errors, "spec.jobTemplate.spec", job)
    return errors


def schedule_fault(schedule: str) -> str:
    """What is wrong with a cron schedule; empty when it is fine."""
    if "TZ" in schedule.partition(" ")[0]:
        return "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
    if schedule.startswith("@"):
        known = schedule in _SCHEDULE_NAMES or schedule.startswith("@every ")
        return "" if known else f"unrecognized descriptor: {schedule}"
    fields = schedule.split()
    if len(fields) != 5:
        return f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]"
    for text, (name, low, high) in zip(fields, _CRON_RANGES, strict=True):
        for part in text.split(","):
            if fault := _range_fault(part, name, low, high):
                return fault
    return ""


def _range_fault(part: str, name: str, low: int, high: int) -> str:
    span, slash, step = part.partition("/")
    if slash and not (step.isdigit() and int(step) > 0):
        return f"step of range should be a positive number: {part}"
    if span in ("*", "?"):
        return ""
    bounds = []
    for text in span.split("-", 1):
        names = _CRON_NAMES.get(name, ())
        if text.lower() in names:
            bounds.append(names.index(text.lower()) + low)
        elif text.isascii() and text.isdigit():
            bounds.append(int(text))
        else:
            return f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax'
    if bounds[0] < low:
        return f"beginning of range ({bounds[0]}) below minimum ({low}): {part}"
    if bounds[-1] > high:
        return f"end of range ({bounds[-1]}) above maximum ({high}): {part}"
    if bounds[0] > bounds[-1]:
        return f"beginning of range ({bounds[0]}) beyond end of range ({bounds[-1]}): {part}"
    return ""
