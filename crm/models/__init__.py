"""The tables, one file per subject."""

from crm.models.agent import (
    ConversationSummary,
    Experiment,
    ExperimentAssignment,
    ModelAttempt,
    PolicyVersion,
)
from crm.models.base import Base
from crm.models.cadence import CadencePlan, TemplateVersion, TouchText, Wave
from crm.models.calendar import Appointment, Offer, Service
from crm.models.catalogue import CatalogueStamp, ServiceChange, ServiceSource
from crm.models.conversation import ChatMessage, ChatSession, ToolCallRow, Turn
from crm.models.intake import ApiKey, ApiRequest, CrmCheck, LeadChange, LeadRequest
from crm.models.mail import MailAccount, MailEvent, SuppressionCheck
from crm.models.messaging import (
    CarrierAccount,
    CarrierCheck,
    ConsentPush,
    MessageMedia,
    TemplateBlock,
)
from crm.models.people import ConsentEvent, Lead, Vehicle
from crm.models.tenants import (
    Bay,
    BayHours,
    Location,
    LocationClosure,
    LocationHours,
    LocationSpecialHours,
    Staff,
    Tenant,
    TenantCrmConfig,
)
from crm.models.work import JobExecution, SendDecision, TouchPoint, WebhookEvent

__all__ = [
    "ApiKey",
    "ApiRequest",
    "Appointment",
    "Base",
    "Bay",
    "BayHours",
    "CadencePlan",
    "CarrierAccount",
    "CarrierCheck",
    "CatalogueStamp",
    "ChatMessage",
    "ChatSession",
    "ConsentEvent",
    "ConsentPush",
    "ConversationSummary",
    "CrmCheck",
    "Experiment",
    "ExperimentAssignment",
    "JobExecution",
    "Lead",
    "LeadChange",
    "LeadRequest",
    "Location",
    "LocationClosure",
    "LocationHours",
    "LocationSpecialHours",
    "MailAccount",
    "MailEvent",
    "MessageMedia",
    "ModelAttempt",
    "Offer",
    "PolicyVersion",
    "SendDecision",
    "Service",
    "ServiceChange",
    "ServiceSource",
    "Staff",
    "SuppressionCheck",
    "TemplateBlock",
    "TemplateVersion",
    "Tenant",
    "TenantCrmConfig",
    "ToolCallRow",
    "TouchPoint",
    "TouchText",
    "Turn",
    "Vehicle",
    "Wave",
    "WebhookEvent",
]
