import { Breadcrumb, BreadcrumbItem, Content, Flex, FlexItem, PageBreadcrumb, PageSection, Title } from '@patternfly/react-core';
import { useEffect, type ReactNode } from 'react';
import { Link } from 'react-router';

export interface Crumb {
  label: string;
  to?: string;
}

/** Head of a page: breadcrumb, title with status, one line of description, actions. */
export function PageHead({ crumbs, title, status, description, actions }: { crumbs?: Crumb[]; title: string; status?: ReactNode; description?: ReactNode; actions?: ReactNode }) {
  useEffect(() => {
    document.title = `${title} · Edgeway`;
  }, [title]);
  return (
    <>
      {crumbs && (
        <PageBreadcrumb>
          <Breadcrumb>
            {crumbs.map((c) => (
              <BreadcrumbItem key={c.label} isActive={!c.to} render={c.to ? ({ className }) => <Link className={className} to={c.to ?? ''}>{c.label}</Link> : undefined}>
                {c.to ? undefined : c.label}
              </BreadcrumbItem>
            ))}
          </Breadcrumb>
        </PageBreadcrumb>
      )}
      <PageSection>
        <Flex justifyContent={{ default: 'justifyContentSpaceBetween' }} alignItems={{ default: 'alignItemsCenter' }}>
          <FlexItem>
            <Flex alignItems={{ default: 'alignItemsCenter' }}>
              <Title headingLevel="h1">{title}</Title>
              {status}
            </Flex>
            {description && <Content component="p" className="ew-muted">{description}</Content>}
          </FlexItem>
          {actions && <Flex gap={{ default: 'gapSm' }}>{actions}</Flex>}
        </Flex>
      </PageSection>
    </>
  );
}
